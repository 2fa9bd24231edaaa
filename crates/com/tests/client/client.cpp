// A program as it was written for the Windows Media Format SDK, in C++: the test of the ABI runs it with the name of a
// scenario and its words. It prints what its callback was told, and exits with 0 unless a check failed.
#include "client.hpp"

#ifdef _WIN32
#include <shellapi.h>
#endif

std::vector<WCHAR> wide(const std::string &utf8) {
    std::vector<WCHAR> units;
    for (size_t at = 0; at < utf8.size();) {
        const unsigned char first = static_cast<unsigned char>(utf8[at]);
        const int more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
        uint32_t scalar = more == 0 ? first : first & (0x3F >> more);
        for (int byte = 1; byte <= more; byte++)
            scalar = scalar << 6 | (static_cast<unsigned char>(utf8[at + byte]) & 0x3F);
        at += 1 + more;
        if (scalar < 0x10000) {
            units.push_back(static_cast<WCHAR>(scalar));
        } else {
            units.push_back(static_cast<WCHAR>(0xD800 + ((scalar - 0x10000) >> 10)));
            units.push_back(static_cast<WCHAR>(0xDC00 + ((scalar - 0x10000) & 0x3FF)));
        }
    }
    units.push_back(0);
    return units;
}

std::string narrow(const WCHAR *text) {
    std::string utf8;
    for (; *text; text++) {
        uint32_t scalar = static_cast<uint16_t>(*text);
        if (scalar >= 0xD800 && scalar < 0xDC00) {
            text++;
            scalar = 0x10000 + ((scalar - 0xD800) << 10) + (static_cast<uint16_t>(*text) - 0xDC00);
        }
        if (scalar < 0x80) {
            utf8 += static_cast<char>(scalar);
        } else if (scalar < 0x800) {
            utf8 += static_cast<char>(0xC0 | scalar >> 6);
            utf8 += static_cast<char>(0x80 | (scalar & 0x3F));
        } else if (scalar < 0x10000) {
            utf8 += static_cast<char>(0xE0 | scalar >> 12);
            utf8 += static_cast<char>(0x80 | (scalar >> 6 & 0x3F));
            utf8 += static_cast<char>(0x80 | (scalar & 0x3F));
        } else {
            utf8 += static_cast<char>(0xF0 | scalar >> 18);
            utf8 += static_cast<char>(0x80 | (scalar >> 12 & 0x3F));
            utf8 += static_cast<char>(0x80 | (scalar >> 6 & 0x3F));
            utf8 += static_cast<char>(0x80 | (scalar & 0x3F));
        }
    }
    return utf8;
}

HRESULT STDMETHODCALLTYPE Callback::QueryInterface(REFIID riid, void **ppvObject) {
    if (riid == KEYFERRY_IID_IUnknown || riid == KEYFERRY_IID_IWMStatusCallback) {
        *ppvObject = static_cast<IWMStatusCallback *>(this);
    } else if (knows_progress && riid == KEYFERRY_IID_IKeyferryProgress) {
        *ppvObject = static_cast<IKeyferryProgress *>(this);
    } else {
        *ppvObject = nullptr;
        return E_NOINTERFACE;
    }
    AddRef();
    return S_OK;
}

static const char *name_of(int status) {
    switch (status) {
    case 0: return "ERROR";
    case 21: return "BACKUPRESTORE_BEGIN";
    case 24: return "INDIVIDUALIZE";
    case 25: return "NEEDS_INDIVIDUALIZATION";
    case 27: return "BACKUPRESTORE_END";
    case 28: return "BACKUPRESTORE_CONNECTING";
    case 29: return "BACKUPRESTORE_DISCONNECTING";
    case 30: return "ERROR_WITHURL";
    case 31: return "RESTRICTED_LICENSE";
    default: return "?";
    }
}

HRESULT STDMETHODCALLTYPE Callback::OnStatus(WMT_STATUS Status, HRESULT hr, WMT_ATTR_DATATYPE dwType, BYTE *pValue,
                                             void *pvContext) {
    const int status = static_cast<int>(Status);
    CHECK(pvContext == nullptr);
    char start[64];
    std::snprintf(start, sizeof start, "%s %d %08X", name_of(status), status, static_cast<uint32_t>(hr));
    std::string line = start;
    if (status == 24) {
        CHECK(dwType == WMT_TYPE_BINARY && pValue != nullptr);
        KeyferryIndividualizeStatus value;
        std::memcpy(&value, pValue, sizeof value);
        CHECK(value.hr == hr && value.pszIndiRespUrl == nullptr);
        line += value.enIndiStatus == 1 ? " begin" : value.enIndiStatus == 2 ? " succeed" : " fail";
    } else if (status == 30 || status == 31) {
        CHECK(dwType == WMT_TYPE_STRING && pValue != nullptr);
        line += " " + narrow(reinterpret_cast<const WCHAR *>(pValue));
    } else {
        CHECK(pValue == nullptr);
    }
    {
        std::lock_guard<std::mutex> lock(mutex);
        // From another thread than the one that made the call, and from one alone for each operation.
        CHECK(std::this_thread::get_id() != main_thread());
        if (told_from == std::thread::id()) told_from = std::this_thread::get_id();
        CHECK(told_from == std::this_thread::get_id());
        if (status == 27) told_from = std::thread::id();
        lines.push_back(line);
    }
    if (at) at(status);
    if (status == 27) {
        std::lock_guard<std::mutex> lock(mutex);
        ends++;
        last = hr;
        ended.notify_all();
    }
    return S_OK;
}

HRESULT STDMETHODCALLTYPE Callback::OnProgress(uint64_t done, uint64_t total) {
    CHECK(done <= total);
    return S_OK;
}

HRESULT STDMETHODCALLTYPE Callback::OnLicense(const KeyferryLicense *license) {
    CHECK(license->size >= sizeof *license);
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, "license %08X %u/%u ", static_cast<uint32_t>(license->hr),
                  license->slot, license->slots);
    std::lock_guard<std::mutex> lock(mutex);
    licenses++;
    lines.push_back(numbers + narrow(license->outcome) + " " + narrow(license->title) + narrow(license->why));
    return S_OK;
}

HRESULT Callback::wait(int expected) {
    std::unique_lock<std::mutex> lock(mutex);
    CHECK(ended.wait_for(lock, std::chrono::seconds(120), [&] { return ends >= expected; }));
    const HRESULT hr = last;
    lock.unlock();
    for (int look = 0; look < 12000 && references != 1; look++)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(references == 1);
    return hr;
}

static std::thread::id first_thread;
std::thread::id main_thread() { return first_thread; }

Restorer::Restorer() {
    Callback unused;
    CHECK_HR(WMCreateBackupRestorer(static_cast<IWMStatusCallback *>(&unused), &backup), S_OK);
    CHECK(unused.references == 1);
    void *found = nullptr;
    CHECK_HR(backup->QueryInterface(KEYFERRY_IID_IWMLicenseRestore, &found), S_OK);
    restore = static_cast<IWMLicenseRestore *>(found);
    CHECK_HR(backup->QueryInterface(KEYFERRY_IID_IWMBackupRestoreProps, &found), S_OK);
    properties = static_cast<IWMBackupRestoreProps *>(found);
}

Restorer::~Restorer() {
    if (restore) restore->Release();
    if (properties) properties->Release();
    if (backup) CHECK(backup->Release() == 0);
}

HRESULT Restorer::set(const std::string &name, const std::string &value) {
    const std::vector<WCHAR> units = wide(value);
    return properties->SetProp(wide(name).data(), WMT_TYPE_STRING, reinterpret_cast<const BYTE *>(units.data()),
                               static_cast<WORD>(units.size() * sizeof(WCHAR)));
}

static void print(const Callback &callback) {
    for (const std::string &line : callback.lines) std::printf("%s\n", line.c_str());
}

// backup|restore FLAGS CANCEL-AT|- PROGRESS|- NAME=VALUE...
static void operate(bool backs_up, const Words &words) {
    CHECK(words.size() >= 3);
    Restorer object;
    for (size_t at = 3; at < words.size(); at++) {
        const size_t sign = words[at].find('=');
        CHECK_HR(object.set(words[at].substr(0, sign), words[at].substr(sign + 1)), S_OK);
    }
    Callback callback;
    const int cancel_at = words[1] == "-" ? -1 : std::atoi(words[1].c_str());
    callback.knows_progress = words[2] == "progress";
    callback.at = [&](int status) {
        if (status != cancel_at) return;
        CHECK_HR(backs_up ? object.backup->CancelLicenseBackup() : object.restore->CancelLicenseRestore(), S_OK);
    };
    const DWORD flags = static_cast<DWORD>(std::strtoul(words[0].c_str(), nullptr, 0));
    const HRESULT started = backs_up ? object.backup->BackupLicenses(flags, &callback)
                                     : object.restore->RestoreLicenses(flags, &callback);
    if (FAILED(started)) {
        CHECK(callback.references == 1 && callback.lines.empty());
        std::printf("returned %08X\n", static_cast<uint32_t>(started));
        return;
    }
    callback.wait();
    print(callback);
}

static int run(const Words &words) {
    first_thread = std::this_thread::get_id();
    CHECK(!words.empty());
    const Words rest(words.begin() + 1, words.end());
    if (words[0] == "backup") operate(true, rest);
    else if (words[0] == "restore") operate(false, rest);
    else if (words[0] == "contract") contract(rest);
    else if (words[0] == "agent") agent(rest);
    else if (words[0] == "challenge") challenge(rest);
    else if (words[0] == "process") process(rest);
    else if (words[0] == "reentrance") reentrance(rest);
    else if (words[0] == "endurance") endurance(rest);
    else if (words[0] == "threads") threads(rest);
#ifdef _WIN32
    else if (words[0] == "forwards") forwards(rest);
#endif
    else return 2;
    std::printf("done\n");
    return 0;
}

int main(int argc, char **argv) {
    Words words;
#ifdef _WIN32
    (void)argv;
    LPWSTR *wide_words = CommandLineToArgvW(GetCommandLineW(), &argc);
    for (int at = 1; at < argc; at++) words.push_back(narrow(wide_words[at]));
    LocalFree(wide_words);
#else
    words.assign(argv + 1, argv + argc);
#endif
    return run(words);
}
