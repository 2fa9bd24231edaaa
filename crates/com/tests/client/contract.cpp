// What the contract says of each call that needs no service: identity, references, properties, wrong arguments.
#include "client.hpp"

#include <algorithm>

static const IID *const INTERFACES[] = {&KEYFERRY_IID_IUnknown, &KEYFERRY_IID_IWMLicenseBackup,
                                        &KEYFERRY_IID_IWMLicenseRestore, &KEYFERRY_IID_IWMBackupRestoreProps};

static IUnknown *query(IUnknown *from, const IID &iid) {
    void *found = nullptr;
    CHECK_HR(from->QueryInterface(iid, &found), S_OK);
    CHECK(found != nullptr);
    return static_cast<IUnknown *>(found);
}

// From each interface to each other and back; IUnknown is one and the same from everywhere.
static void identity() {
    IWMLicenseBackup *backup = nullptr;
    CHECK_HR(WMCreateBackupRestorer(nullptr, &backup), S_OK);
    IUnknown *const unknown = query(backup, KEYFERRY_IID_IUnknown);
    for (const IID *from : INTERFACES) {
        IUnknown *const first = query(backup, *from);
        for (const IID *to : INTERFACES) {
            IUnknown *const second = query(first, *to);
            IUnknown *const back = query(second, *from);
            CHECK(back == first);
            IUnknown *const same = query(second, KEYFERRY_IID_IUnknown);
            CHECK(same == unknown);
            for (const IID *further : INTERFACES) {
                IUnknown *const third = query(second, *further);
                IUnknown *const direct = query(first, *further);
                CHECK(third == direct);
                third->Release();
                direct->Release();
            }
            same->Release();
            back->Release();
            second->Release();
        }
        first->Release();
    }
    void *found = &found;
    CHECK_HR(backup->QueryInterface(KEYFERRY_IID_IWMStatusCallback, &found), E_NOINTERFACE);
    CHECK(found == nullptr);
    CHECK_HR(backup->QueryInterface(KEYFERRY_IID_IUnknown, nullptr), E_POINTER);
    CHECK(unknown->Release() == 1);
    CHECK(backup->AddRef() == 2);
    CHECK(backup->Release() == 1);
    CHECK(backup->Release() == 0);
    CHECK_HR(WMCreateBackupRestorer(nullptr, nullptr), E_POINTER);
}

struct Read {
    HRESULT hr;
    std::string name;
    std::string value;
    WORD name_length;
    WORD length;
    WMT_ATTR_DATATYPE type;
};

// Asks for the sizes, then for the value, as the SDK's pages say.
static Read read_by_name(IWMBackupRestoreProps *properties, const std::string &name) {
    Read read = {S_OK, name, "", 0, 9, WMT_TYPE_GUID};
    read.hr = properties->GetPropByName(wide(name).data(), &read.type, nullptr, &read.length);
    if (FAILED(read.hr)) {
        CHECK(read.length == 0 && read.type == WMT_TYPE_DWORD);
        return read;
    }
    std::vector<BYTE> value(read.length + 2, 0xEE);
    CHECK_HR(properties->GetPropByName(wide(name).data(), &read.type, value.data(), &read.length), S_OK);
    CHECK(value[read.length] == 0xEE && value[read.length - 1] == 0 && value[read.length - 2] == 0);
    std::vector<WCHAR> units(read.length / sizeof(WCHAR));
    std::memcpy(units.data(), value.data(), read.length);
    read.value = narrow(units.data());
    CHECK(wide(read.value).size() == units.size());
    // One byte less is too little; the needed size is told, and nothing is written.
    WORD short_length = static_cast<WORD>(read.length - 1);
    std::vector<BYTE> untouched(value.size(), 0xEE);
    CHECK_HR(properties->GetPropByName(wide(name).data(), &read.type, untouched.data(), &short_length),
             NS_E_DRM_BUFFER_TOO_SMALL);
    CHECK(short_length == read.length);
    CHECK(std::all_of(untouched.begin(), untouched.end(), [](BYTE byte) { return byte == 0xEE; }));
    return read;
}

static Read read_by_index(IWMBackupRestoreProps *properties, WORD index) {
    Read read = {S_OK, "", "", 9, 9, WMT_TYPE_GUID};
    read.hr = properties->GetPropByIndex(index, nullptr, &read.name_length, &read.type, nullptr, &read.length);
    if (FAILED(read.hr)) {
        CHECK(read.name_length == 0 && read.length == 0 && read.type == WMT_TYPE_DWORD);
        return read;
    }
    std::vector<WCHAR> name(read.name_length);
    std::vector<WCHAR> value(read.length / sizeof(WCHAR));
    BYTE *const bytes = reinterpret_cast<BYTE *>(value.data());
    CHECK_HR(properties->GetPropByIndex(index, name.data(), &read.name_length, &read.type, bytes, &read.length), S_OK);
    read.name = narrow(name.data());
    read.value = narrow(value.data());
    WORD short_name = static_cast<WORD>(read.name_length - 1), length = read.length;
    CHECK_HR(properties->GetPropByIndex(index, name.data(), &short_name, &read.type, bytes, &length),
             NS_E_DRM_BUFFER_TOO_SMALL);
    CHECK(short_name == read.name_length && length == read.length);
    return read;
}

static HRESULT set_bytes(IWMBackupRestoreProps *properties, const char *name, const void *value, size_t length,
                         int type = WMT_TYPE_STRING) {
    return properties->SetProp(wide(name).data(), static_cast<WMT_ATTR_DATATYPE>(type),
                               static_cast<const BYTE *>(value), static_cast<WORD>(length));
}

static void properties_and_their_errors() {
    Restorer object;
    IWMBackupRestoreProps *const properties = object.properties;
    WORD count = 9;
    CHECK_HR(properties->GetPropCount(&count), S_OK);
    CHECK(count == 0);
    CHECK_HR(properties->GetPropCount(nullptr), E_POINTER);
    CHECK_HR(read_by_index(properties, 0).hr, E_INVALIDARG);
    CHECK_HR(read_by_name(properties, "BackupPath").hr, NS_E_DRM_INVALID_PROPERTY);
    CHECK_HR(read_by_name(properties, "Color").hr, E_INVALIDARG);

    // Each property that can be read gives back what was set: ASCII, other scripts, pairs of surrogates, and paths of more
    // than 400 characters.
    std::string long_path = "/stick";
    for (int part = 0; part < 20; part++)
        long_path += "/\xD0\xB4\xD0\xBB\xD0\xB8\xD0\xBD\xD0\xBD\xD1\x8B\xD0\xB9 path \xE9\x95\xB7\xE3\x81\x84\xE9\x81\x93 \xF0\x9F\x8E\xB5 M\xC3\xBCller";
    CHECK(wide(long_path).size() > 400);
    const std::string key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    const std::string thumbprint(64, 'a');
    const std::vector<std::pair<std::string, std::string>> each = {
        {"BackupPath", "/stick/M\xC3\xBCller \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x8E\xB5"},
        {"RestorePath", long_path},
        {"Keyferry.Store", "C:\\Users\\\xD0\x96\xD0\xB0\xD0\xBD\xD0\xBD\xD0\xB0" + long_path},
        {"Keyferry.Recipients", key},
        {"Keyferry.Parity", "none"},
        {"Keyferry.Keep", "1"},
        {"Keyferry.From", "laptop \xF0\x9F\x92\xBB"},
        {"Keyferry.Trust", thumbprint + " " + thumbprint},
    };
    for (const auto &property : each) CHECK_HR(object.set(property.first, property.second), S_OK);
    CHECK_HR(properties->GetPropCount(&count), S_OK);
    CHECK(count == each.size());
    for (size_t at = 0; at < each.size(); at++) {
        const Read by_name = read_by_name(properties, each[at].first);
        CHECK(by_name.hr == S_OK && by_name.value == each[at].second && by_name.type == WMT_TYPE_STRING);
        const Read by_index = read_by_index(properties, static_cast<WORD>(at));
        CHECK(by_index.hr == S_OK && by_index.name == each[at].first && by_index.value == each[at].second);
        CHECK(by_index.length == by_name.length);
    }
    // An empty value is one; the next replaces it.
    CHECK_HR(object.set("Keyferry.From", ""), S_OK);
    CHECK(read_by_name(properties, "Keyferry.From").value.empty());
    // A value that can't be one leaves the old one.
    for (const char *name : {"Keyferry.Parity", "Keyferry.Keep", "Keyferry.Trust", "Keyferry.Recipients"})
        CHECK_HR(object.set(name, "what is this?"), E_INVALIDARG);
    CHECK(read_by_name(properties, "Keyferry.Recipients").value == key);
    // The passphrase is set and never read; it isn't even counted.
    CHECK_HR(object.set("Keyferry.Passphrase", "correct horse"), S_OK);
    CHECK_HR(object.set("Keyferry.Passphrase", ""), E_INVALIDARG);
    CHECK_HR(read_by_name(properties, "Keyferry.Passphrase").hr, E_ACCESSDENIED);
    CHECK_HR(read_by_name(properties, "Keyferry.Identities").hr, E_ACCESSDENIED);
    CHECK_HR(properties->GetPropCount(&count), S_OK);
    CHECK(count == each.size());

    CHECK_HR(properties->RemoveProp(wide("BackupPath").data()), S_OK);
    CHECK_HR(properties->RemoveProp(wide("BackupPath").data()), S_OK);
    CHECK_HR(properties->RemoveProp(wide("Color").data()), E_INVALIDARG);
    CHECK_HR(properties->RemoveProp(nullptr), E_POINTER);
    CHECK_HR(read_by_name(properties, "BackupPath").hr, NS_E_DRM_INVALID_PROPERTY);
    CHECK(read_by_index(properties, 0).name == "RestorePath");
    CHECK_HR(properties->RemoveAllProps(), S_OK);
    CHECK_HR(properties->GetPropCount(&count), S_OK);
    CHECK(count == 0);
}

static void wrong_values() {
    Restorer object;
    IWMBackupRestoreProps *const properties = object.properties;
    const WCHAR text[] = {'/', 'a', 0};
    for (int type : {0, 2, 3, 4, 5, 6, 7, -1}) CHECK_HR(set_bytes(properties, "BackupPath", text, 6, type), E_INVALIDARG);
    CHECK_HR(set_bytes(properties, "BackupPath", nullptr, 6), E_POINTER);
    CHECK_HR(properties->SetProp(nullptr, WMT_TYPE_STRING, reinterpret_cast<const BYTE *>(text), 6), E_POINTER);
    CHECK_HR(set_bytes(properties, "Color", text, 6), E_INVALIDARG);
    CHECK_HR(set_bytes(properties, "backuppath", text, 6), E_INVALIDARG);
    for (size_t length : {0, 1, 2, 3, 4, 5}) CHECK_HR(set_bytes(properties, "BackupPath", text, length), E_INVALIDARG);
    CHECK_HR(set_bytes(properties, "BackupPath", text, 6), S_OK);
    // An odd length is refused, also where a terminator stands before the odd byte.
    const WCHAR more[] = {'/', 'a', 0, 0};
    CHECK_HR(set_bytes(properties, "BackupPath", more, 7), E_INVALIDARG);
    const WCHAR ends_twice[] = {'a', 0, 'b', 0};
    CHECK_HR(set_bytes(properties, "BackupPath", ends_twice, 8), E_INVALIDARG);
    const WCHAR halves[][2] = {{static_cast<WCHAR>(0xD83C), 0}, {static_cast<WCHAR>(0xDFB5), 0}};
    for (const auto &half : halves) CHECK_HR(set_bytes(properties, "BackupPath", half, 4), E_INVALIDARG);
    CHECK(read_by_name(properties, "BackupPath").value == "/a");
    // The longest value that its length can be told of, and 64 KiB, whose length comes as 0.
    std::vector<WCHAR> longest(32767, 'p');
    longest.back() = 0;
    CHECK_HR(set_bytes(properties, "BackupPath", longest.data(), 65534), S_OK);
    CHECK(read_by_name(properties, "BackupPath").value.size() == 32766);
    std::vector<WCHAR> too_long(32768, 'p');
    too_long.back() = 0;
    CHECK_HR(set_bytes(properties, "BackupPath", too_long.data(), 65536), E_INVALIDARG);
    CHECK_HR(set_bytes(properties, "BackupPath", too_long.data(), 65535), E_INVALIDARG);
    // A name without an end within 256 units is read no further.
    const std::vector<WCHAR> endless(257, 'n');
    CHECK_HR(properties->SetProp(endless.data(), WMT_TYPE_STRING, reinterpret_cast<const BYTE *>(text), 6), E_INVALIDARG);
    // Places that aren't there.
    WORD length = 0, name_length = 0;
    WMT_ATTR_DATATYPE type;
    CHECK_HR(properties->GetPropByName(nullptr, &type, nullptr, &length), E_POINTER);
    CHECK_HR(properties->GetPropByName(wide("BackupPath").data(), nullptr, nullptr, &length), E_POINTER);
    CHECK_HR(properties->GetPropByName(wide("BackupPath").data(), &type, nullptr, nullptr), E_POINTER);
    CHECK_HR(properties->GetPropByIndex(0, nullptr, nullptr, &type, nullptr, &length), E_POINTER);
    CHECK_HR(properties->GetPropByIndex(0, nullptr, &name_length, nullptr, nullptr, &length), E_POINTER);
    CHECK_HR(properties->GetPropByIndex(0, nullptr, &name_length, &type, nullptr, nullptr), E_POINTER);
}

// contract STORE FOLDER: the store is an empty folder, FOLDER takes backups.
void contract(const Words &words) {
    CHECK(words.size() == 2);
    identity();
    properties_and_their_errors();
    wrong_values();

    Restorer object;
    Callback callback;
    CHECK_HR(object.set("Keyferry.Store", words[0]), S_OK);
    CHECK_HR(object.backup->BackupLicenses(0, nullptr), E_INVALIDARG);
    CHECK_HR(object.restore->RestoreLicenses(0, nullptr), E_INVALIDARG);
    CHECK_HR(object.backup->BackupLicenses(0, &callback), NS_E_DRM_INVALID_PROPERTY);
    CHECK_HR(object.restore->RestoreLicenses(0, &callback), NS_E_DRM_INVALID_PROPERTY);
    CHECK_HR(object.set("BackupPath", words[1]), S_OK);
    CHECK_HR(object.set("RestorePath", words[1]), S_OK);
    CHECK_HR(object.backup->BackupLicenses(WM_RESTORE_INDIVIDUALIZE, &callback), E_INVALIDARG);
    CHECK_HR(object.restore->RestoreLicenses(WM_BACKUP_OVERWRITE, &callback), E_INVALIDARG);
    // Nothing runs: there is nothing to cancel, and that is no error.
    CHECK_HR(object.backup->CancelLicenseBackup(), S_OK);
    CHECK_HR(object.restore->CancelLicenseRestore(), S_OK);
    CHECK(callback.lines.empty() && callback.references == 1);

    // While one runs, every other is refused, on another computer's folder too; the last HRESULT is 0 all the same.
    callback.at = [&](int status) {
        if (status != WMT_BACKUPRESTORE_BEGIN) return;
        Callback other;
        CHECK_HR(object.backup->BackupLicenses(0, &other), NS_E_DRM_BACKUPRESTORE_BUSY);
        CHECK_HR(object.restore->RestoreLicenses(0, &other), NS_E_DRM_BACKUPRESTORE_BUSY);
        CHECK_HR(object.set("Keyferry.Store", words[0] + " of another"), S_OK);
        CHECK_HR(object.backup->BackupLicenses(0, &other), NS_E_DRM_BACKUPRESTORE_BUSY);
        CHECK_HR(object.set("Keyferry.Store", words[0]), S_OK);
        CHECK(other.lines.empty() && other.references == 1);
    };
    CHECK_HR(object.backup->BackupLicenses(WM_BACKUP_OVERWRITE, &callback), S_OK);
    CHECK_HR(callback.wait(), S_OK);
    CHECK(callback.lines.size() == 2);
    // As the published tests of the .NET wrapper have it: overwrite and wait; start and cancel.
    CHECK_HR(object.backup->BackupLicenses(WM_BACKUP_OVERWRITE, &callback), S_OK);
    CHECK_HR(callback.wait(2), S_OK);
    CHECK_HR(object.backup->BackupLicenses(0, &callback), S_OK);
    CHECK_HR(callback.wait(3), NS_E_DRM_BACKUP_EXISTS);
}
