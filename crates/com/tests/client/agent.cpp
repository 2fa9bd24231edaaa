// The license revocation agent: what the contract says of each call, and an application that carries bytes between an issuer
// and this computer. The issuer is the test that runs this program; bytes go through files.
#include "client.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

typedef std::vector<BYTE> Bytes;

// The agent and its properties; both are released when it goes.
struct Agent {
    Agent() {
        Callback unused;
        CHECK_HR(WMCreateLicenseRevocationAgent(static_cast<IWMStatusCallback *>(&unused), &agent), S_OK);
        CHECK(unused.references == 1);
        void *found = nullptr;
        CHECK_HR(agent->QueryInterface(KEYFERRY_IID_IWMBackupRestoreProps, &found), S_OK);
        properties = static_cast<IWMBackupRestoreProps *>(found);
    }
    explicit Agent(const std::string &store) : Agent() { CHECK_HR(set("Keyferry.Store", store), S_OK); }
    ~Agent() {
        properties->Release();
        CHECK(agent->Release() == 0);
    }
    Agent(const Agent &) = delete;
    Agent &operator=(const Agent &) = delete;

    HRESULT set(const std::string &name, const std::string &value) {
        const std::vector<WCHAR> units = wide(value);
        return properties->SetProp(wide(name).data(), WMT_TYPE_STRING, reinterpret_cast<const BYTE *>(units.data()),
                                   static_cast<WORD>(units.size() * sizeof(WCHAR)));
    }

    IWMLicenseRevocationAgent *agent = nullptr;
    IWMBackupRestoreProps *properties = nullptr;
};

// A call whose result comes in a buffer.
typedef std::function<HRESULT(BYTE *, DWORD *)> Call;

// Asks with a buffer that is too small, for the size, and for the bytes; each time again they are the same.
static HRESULT twice(const Call &call, Bytes &result) {
    DWORD length = 1;
    BYTE one = 0xEE;
    const HRESULT first = call(&one, &length);
    CHECK(one == 0xEE);
    if (first != NS_E_DRM_BUFFER_TOO_SMALL) {
        CHECK(FAILED(first) && length == 0);
        return first;
    }
    const DWORD needed = length;
    CHECK(needed > 1);
    length = 0;
    CHECK_HR(call(nullptr, &length), S_OK);
    CHECK(length == needed);
    Bytes bytes(needed + 1, 0xEE);
    length = needed - 1;
    CHECK_HR(call(bytes.data(), &length), NS_E_DRM_BUFFER_TOO_SMALL);
    CHECK(length == needed);
    CHECK(std::all_of(bytes.begin(), bytes.end(), [](BYTE byte) { return byte == 0xEE; }));
    CHECK_HR(call(bytes.data(), &length), S_OK);
    CHECK(length == needed && bytes[needed] == 0xEE);
    Bytes again(needed + 64, 0xEE);
    length = static_cast<DWORD>(again.size());
    CHECK_HR(call(again.data(), &length), S_OK);
    CHECK(length == needed && std::equal(again.begin(), again.begin() + needed, bytes.begin()));
    bytes.pop_back();
    result = bytes;
    return S_OK;
}

static Bytes read(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    CHECK(file.good());
    return Bytes(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

static void write(const std::string &path, const Bytes &bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    CHECK(file.good());
}

static void tell(HRESULT hr) { std::printf("returned %08X\n", static_cast<uint32_t>(hr)); }

// challenge STORE COMPUTER|- CHALLENGE ANSWER: the challenge and the computer's ID lie in files.
void challenge(const Words &words) {
    CHECK(words.size() == 4);
    Agent object(words[0]);
    Bytes machine = words[1] == "-" ? Bytes() : read(words[1]);
    Bytes asked = read(words[2]), answer;
    const HRESULT hr = twice(
        [&](BYTE *out, DWORD *length) {
            // Each time by an object of its own: what has to last is not kept by the object.
            Agent another(words[0]);
            return another.agent->GetLRBChallenge(machine.empty() ? nullptr : machine.data(),
                                                  static_cast<DWORD>(machine.size()), asked.data(),
                                                  static_cast<DWORD>(asked.size()), out, length);
        },
        answer);
    if (hr == S_OK) write(words[3], answer);
    tell(hr);
}

// process STORE LIST ACKNOWLEDGEMENT
void process(const Words &words) {
    CHECK(words.size() == 3);
    Bytes list = read(words[1]), acknowledgement;
    const HRESULT hr = twice(
        [&](BYTE *out, DWORD *length) {
            Agent object(words[0]);
            return object.agent->ProcessLRB(list.data(), static_cast<DWORD>(list.size()), out, length);
        },
        acknowledgement);
    if (hr == S_OK) write(words[2], acknowledgement);
    tell(hr);
}

static const IID *const INTERFACES[] = {&KEYFERRY_IID_IUnknown, &KEYFERRY_IID_IWMLicenseRevocationAgent,
                                        &KEYFERRY_IID_IWMBackupRestoreProps};

static IUnknown *query(IUnknown *from, const IID &iid) {
    void *found = nullptr;
    CHECK_HR(from->QueryInterface(iid, &found), S_OK);
    CHECK(found != nullptr);
    return static_cast<IUnknown *>(found);
}

// From each interface to each other and back; IUnknown is one and the same from everywhere.
static void identity() {
    IWMLicenseRevocationAgent *agent = nullptr;
    CHECK_HR(WMCreateLicenseRevocationAgent(nullptr, &agent), S_OK);
    IUnknown *const unknown = query(agent, KEYFERRY_IID_IUnknown);
    for (const IID *from : INTERFACES) {
        IUnknown *const first = query(agent, *from);
        for (const IID *to : INTERFACES) {
            IUnknown *const second = query(first, *to);
            IUnknown *const back = query(second, *from);
            CHECK(back == first);
            IUnknown *const same = query(second, KEYFERRY_IID_IUnknown);
            CHECK(same == unknown);
            same->Release();
            back->Release();
            second->Release();
        }
        first->Release();
    }
    for (const IID *stranger : {&KEYFERRY_IID_IWMLicenseBackup, &KEYFERRY_IID_IWMLicenseRestore,
                                &KEYFERRY_IID_IWMStatusCallback}) {
        void *found = &found;
        CHECK_HR(agent->QueryInterface(*stranger, &found), E_NOINTERFACE);
        CHECK(found == nullptr);
    }
    CHECK_HR(agent->QueryInterface(KEYFERRY_IID_IUnknown, nullptr), E_POINTER);
    CHECK(unknown->Release() == 1);
    CHECK(agent->Release() == 0);
    CHECK_HR(WMCreateLicenseRevocationAgent(nullptr, nullptr), E_POINTER);
    // The backup restorer is another object.
    Restorer restorer;
    void *found = &found;
    CHECK_HR(restorer.backup->QueryInterface(KEYFERRY_IID_IWMLicenseRevocationAgent, &found), E_NOINTERFACE);
    CHECK(found == nullptr);
}

// agent STORE FOLDER: what needs no issuer; the store is an empty folder.
void agent(const Words &words) {
    CHECK(words.size() == 2);
    identity();
    Agent object;
    // Which computer is all that it can be told.
    CHECK_HR(object.set("BackupPath", words[1]), E_INVALIDARG);
    CHECK_HR(object.set("Keyferry.Passphrase", "secret"), E_INVALIDARG);
    CHECK_HR(object.set("Keyferry.Store", words[0]), S_OK);
    WORD count = 0;
    CHECK_HR(object.properties->GetPropCount(&count), S_OK);
    CHECK(count == 1);
    WMT_ATTR_DATATYPE type;
    WORD short_length = 0, name_length = 0;
    CHECK_HR(object.properties->GetPropByIndex(0, nullptr, &name_length, &type, nullptr, &short_length), S_OK);
    CHECK(name_length == sizeof "Keyferry.Store" && type == WMT_TYPE_STRING);
    CHECK_HR(object.properties->GetPropByName(wide("BackupPath").data(), &type, nullptr, &short_length), E_INVALIDARG);
    CHECK_HR(object.properties->RemoveProp(wide("RestorePath").data()), E_INVALIDARG);
    CHECK_HR(object.properties->RemoveProp(wide("Keyferry.Store").data()), S_OK);
    CHECK_HR(object.properties->GetPropByName(wide("Keyferry.Store").data(), &type, nullptr, &short_length),
             NS_E_DRM_INVALID_PROPERTY);
    CHECK_HR(object.set("Keyferry.Store", words[0]), S_OK);
    CHECK_HR(object.properties->RemoveAllProps(), S_OK);
    CHECK_HR(object.properties->GetPropCount(&count), S_OK);
    CHECK(count == 0);
    CHECK_HR(object.set("Keyferry.Store", words[0]), S_OK);

    IWMLicenseRevocationAgent *const agent = object.agent;
    BYTE bytes[64] = {0xD2, 0x84}, out[64];
    DWORD length = sizeof out;
    const auto challenge = [&](BYTE *machine, DWORD machine_length, BYTE *asked, DWORD asked_length) {
        length = sizeof out;
        const HRESULT hr = agent->GetLRBChallenge(machine, machine_length, asked, asked_length, out, &length);
        CHECK(length == 0);
        return hr;
    };
    CHECK_HR(agent->GetLRBChallenge(nullptr, 0, bytes, sizeof bytes, out, nullptr), E_POINTER);
    CHECK_HR(challenge(nullptr, 0, nullptr, 64), E_POINTER);
    CHECK_HR(challenge(nullptr, 32, bytes, 64), E_POINTER);
    CHECK_HR(challenge(nullptr, 0, bytes, 0), E_INVALIDARG);
    CHECK_HR(challenge(bytes, 31, bytes, 64), E_INVALIDARG);
    CHECK_HR(challenge(bytes, 33, bytes, 64), E_INVALIDARG);
    CHECK_HR(challenge(bytes, 32, bytes, 64), NS_E_DRM_INVALID_MACHINE);
    // No ID, with a place or without one, is this computer.
    CHECK_HR(challenge(bytes, 0, bytes, 64), NS_E_BACKUP_RESTORE_BAD_DATA);
    CHECK_HR(challenge(nullptr, 0, bytes, 64), NS_E_BACKUP_RESTORE_BAD_DATA);
    // What is longer than any challenge isn't read.
    CHECK_HR(challenge(nullptr, 0, bytes, 0xFFFFFFFF), NS_E_BACKUP_RESTORE_BAD_DATA);
    const auto process = [&](BYTE *list, DWORD list_length) {
        length = sizeof out;
        const HRESULT hr = agent->ProcessLRB(list, list_length, out, &length);
        CHECK(length == 0);
        return hr;
    };
    CHECK_HR(agent->ProcessLRB(bytes, sizeof bytes, out, nullptr), E_POINTER);
    CHECK_HR(process(nullptr, 64), E_POINTER);
    CHECK_HR(process(bytes, 0), E_INVALIDARG);
    CHECK_HR(process(bytes, 64), NS_E_BACKUP_RESTORE_BAD_DATA);
    CHECK_HR(process(bytes, 0xFFFFFFFF), NS_E_BACKUP_RESTORE_BAD_DATA);
}
