// The backup restorer object behind the menu commands of a program in C++.
//
//     c++ menu.cpp $(pkg-config --cflags --libs keyferry) -lpthread -o menu
//     ./menu /media/stick Keyferry.Trust=THUMBPRINT
//
// Type b to back up, o to back up over an older backup, r to restore, y to restore and agree that this computer's public
// keys and its name are sent to the service, c to cancel, q to quit.
#include <keyferry.h>

#include <atomic>
#include <codecvt>
#include <condition_variable>
#include <cstdio>
#include <iostream>
#include <locale>
#include <mutex>
#include <string>

// The object speaks UTF-16.
using Utf16 = std::wstring_convert<std::codecvt_utf8_utf16<char16_t>, char16_t>;

// What the program is told. COM's rule: whoever lets the last reference go, deletes the object.
class Callback final : public IWMStatusCallback {
  public:
    HRESULT STDMETHODCALLTYPE QueryInterface(REFIID riid, void **found) override {
        const bool known = riid == KEYFERRY_IID_IUnknown || riid == KEYFERRY_IID_IWMStatusCallback;
        *found = known ? this : nullptr;
        if (!known) return E_NOINTERFACE;
        AddRef();
        return S_OK;
    }
    ULONG STDMETHODCALLTYPE AddRef() override { return ++references; }
    ULONG STDMETHODCALLTYPE Release() override {
        const ULONG left = --references;
        if (left == 0) delete this;
        return left;
    }

    // Called from the operation's thread; what `value` points to is gone after the call.
    HRESULT STDMETHODCALLTYPE OnStatus(WMT_STATUS status, HRESULT hr, WMT_ATTR_DATATYPE, BYTE *value, void *) override {
        switch (static_cast<int>(status)) {
        case WMT_RESTRICTED_LICENSE: // the rights of a license don't let it leave; its key ID
            std::printf("stays here: %s\n", text(value).c_str());
            break;
        case WMT_ERROR_WITHURL: // a service refused; a program with windows opens the page
            std::printf("refused (%08X), see %s\n", static_cast<unsigned>(hr), text(value).c_str());
            break;
        case WMT_BACKUPRESTORE_CONNECTING:
            std::printf("asking the service\n");
            break;
        case WMT_BACKUPRESTORE_END: // comes exactly once, and last
            if (hr == S_OK) std::printf("done\n");
            else if (hr == NS_E_DRM_OPERATION_CANCELED) std::printf("canceled\n");
            else if (hr == NS_E_DRM_BACKUP_EXISTS) std::printf("a backup is there, o replaces it\n");
            else if (hr == NS_E_DRM_NEEDS_INDIVIDUALIZATION) std::printf("the service wants to know this computer, y agrees\n");
            else std::printf("failed: %08X\n", static_cast<unsigned>(hr));
            add_running(-1);
            break;
        default:
            break;
        }
        return S_OK;
    }

    // How many operations run; the program waits for their END before it quits.
    void add_running(int more) {
        std::lock_guard<std::mutex> guard(lock);
        running += more;
        ended.notify_all();
    }
    void wait() {
        std::unique_lock<std::mutex> guard(lock);
        ended.wait(guard, [this] { return running == 0; });
    }

  private:
    ~Callback() = default;
    static std::string text(const BYTE *value) { return Utf16().to_bytes(reinterpret_cast<const char16_t *>(value)); }

    std::atomic<ULONG> references{1};
    std::mutex lock;
    std::condition_variable ended;
    int running = 0;
};

// A reference that is released when it goes out of scope.
template <typename Interface> struct Reference {
    Reference() = default;
    explicit Reference(Interface *given) : at(given) {}
    Reference(const Reference &) = delete;
    Reference &operator=(const Reference &) = delete;
    ~Reference() {
        if (at) at->Release();
    }
    Interface *operator->() const { return at; }

    Interface *at = nullptr;
};

static bool set(IWMBackupRestoreProps *properties, const std::string &name, const std::string &value) {
    const std::u16string units = Utf16().from_bytes(value);
    // The length counts bytes, and the terminator too.
    const HRESULT hr = properties->SetProp(Utf16().from_bytes(name).c_str(), WMT_TYPE_STRING,
                                           reinterpret_cast<const BYTE *>(units.c_str()),
                                           static_cast<WORD>((units.size() + 1) * sizeof(WCHAR)));
    if (FAILED(hr)) std::fprintf(stderr, "%s: %08X\n", name.c_str(), static_cast<unsigned>(hr));
    return SUCCEEDED(hr);
}

int main(int argc, char **argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    if (argc < 2) return std::fprintf(stderr, "usage: menu FOLDER [PROPERTY=VALUE...]\n"), 2;

    // One object; its other interfaces come by QueryInterface.
    Reference<Callback> callback(new Callback);
    Reference<IWMLicenseBackup> backup;
    Reference<IWMLicenseRestore> restore;
    Reference<IWMBackupRestoreProps> properties;
    if (FAILED(WMCreateBackupRestorer(nullptr, &backup.at)) ||
        FAILED(backup->QueryInterface(KEYFERRY_IID_IWMLicenseRestore, reinterpret_cast<void **>(&restore.at))) ||
        FAILED(backup->QueryInterface(KEYFERRY_IID_IWMBackupRestoreProps, reinterpret_cast<void **>(&properties.at))))
        return 1;
    if (!set(properties.at, "BackupPath", argv[1]) || !set(properties.at, "RestorePath", argv[1])) return 1;
    for (int at = 2; at < argc; at++) {
        const std::string word = argv[at];
        const size_t sign = word.find('=');
        if (sign == std::string::npos || !set(properties.at, word.substr(0, sign), word.substr(sign + 1))) return 1;
    }

    for (std::string line; std::getline(std::cin, line) && line != "q";) {
        if (line == "c") {
            // Cancels what runs of each kind; the END says that it is canceled.
            backup->CancelLicenseBackup();
            restore->CancelLicenseRestore();
            continue;
        }
        // The END may come before the call has returned.
        callback->add_running(1);
        const HRESULT hr = line == "b"   ? backup->BackupLicenses(0, callback.at)
                           : line == "o" ? backup->BackupLicenses(WM_BACKUP_OVERWRITE, callback.at)
                           : line == "r" ? restore->RestoreLicenses(0, callback.at)
                           : line == "y" ? restore->RestoreLicenses(WM_RESTORE_INDIVIDUALIZE, callback.at)
                                         : E_INVALIDARG;
        if (SUCCEEDED(hr)) continue;
        // Nothing was begun, so no END will come. One that runs already is NS_E_DRM_BACKUPRESTORE_BUSY.
        std::printf("not begun: %08X\n", static_cast<unsigned>(hr));
        callback->add_running(-1);
    }
    callback->wait();
    return 0;
}
