// What the scenarios share: the application's callback, text, and checks that say where they failed.
#ifndef CLIENT_HPP
#define CLIENT_HPP

#ifdef _WIN32
#include <initguid.h>
#include <wmsdkidl.h>
#endif
#include "keyferry.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

// UTF-16 with its terminator, and back.
std::vector<WCHAR> wide(const std::string &utf8);
std::string narrow(const WCHAR *text);

// Ends the program with exit code 1 unless it holds.
#define CHECK(holds)                                                                   \
    do {                                                                               \
        if (!(holds)) {                                                                \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #holds);           \
            std::fflush(stdout);                                                       \
            std::_Exit(1);                                                             \
        }                                                                              \
    } while (0)

// Where the stack ends. With 32 bits it is the library that takes the arguments away (stdcall); a compiler that found them
// still there would often not mind.
#ifdef __i386__
#define STACK_POINTER(place) __asm__ volatile("movl %%esp, %0" : "=r"(place))
#else
#define STACK_POINTER(place) place = nullptr
#endif

#define CHECK_HR(call, expected)                                                       \
    do {                                                                               \
        void *before_, *after_;                                                        \
        STACK_POINTER(before_);                                                        \
        const uint32_t hr_ = static_cast<uint32_t>(call);                              \
        STACK_POINTER(after_);                                                         \
        if (before_ != after_) {                                                       \
            std::fprintf(stderr, "%s:%d: %s: the stack is not as before\n", __FILE__,  \
                         __LINE__, #call);                                             \
            std::fflush(stdout);                                                       \
            std::_Exit(1);                                                             \
        }                                                                              \
        if (hr_ != static_cast<uint32_t>(expected)) {                                  \
            std::fprintf(stderr, "%s:%d: %s: %08X instead of %08X\n", __FILE__,        \
                         __LINE__, #call, hr_, static_cast<uint32_t>(expected));       \
            std::fflush(stdout);                                                       \
            std::_Exit(1);                                                             \
        }                                                                              \
    } while (0)

// An application's callback: it keeps what it is told as one line each, and may do something at a status.
class Callback : public IWMStatusCallback, public IKeyferryProgress {
  public:
    HRESULT STDMETHODCALLTYPE QueryInterface(REFIID riid, void **ppvObject) override;
    ULONG STDMETHODCALLTYPE AddRef() override { return ++references; }
    ULONG STDMETHODCALLTYPE Release() override { return --references; }
    HRESULT STDMETHODCALLTYPE OnStatus(WMT_STATUS Status, HRESULT hr, WMT_ATTR_DATATYPE dwType, BYTE *pValue,
                                       void *pvContext) override;
    HRESULT STDMETHODCALLTYPE OnProgress(uint64_t done, uint64_t total) override;
    HRESULT STDMETHODCALLTYPE OnLicense(const KeyferryLicense *license) override;

    // Waits for so many ENDs, and until the object gave its reference back; answers the HRESULT of the last.
    HRESULT wait(int ends = 1);

    std::function<void(int status)> at;
    bool knows_progress = false;
    std::vector<std::string> lines;
    std::atomic<ULONG> references{1};
    int ends = 0;
    uint64_t licenses = 0;

  private:
    std::mutex mutex;
    std::condition_variable ended;
    std::thread::id told_from;
    HRESULT last = 0;
};

// The object and its interfaces; all are released when it goes.
struct Restorer {
    Restorer();
    ~Restorer();
    Restorer(const Restorer &) = delete;
    Restorer &operator=(const Restorer &) = delete;
    HRESULT set(const std::string &name, const std::string &value);

    IWMLicenseBackup *backup = nullptr;
    IWMLicenseRestore *restore = nullptr;
    IWMBackupRestoreProps *properties = nullptr;
};

// The thread that runs the scenario; no callback may come from it.
std::thread::id main_thread();

// The scenarios; each is given the words after its name.
using Words = std::vector<std::string>;
void agent(const Words &words);
void challenge(const Words &words);
void process(const Words &words);
void contract(const Words &words);
void reentrance(const Words &words);
void endurance(const Words &words);
void threads(const Words &words);
#ifdef _WIN32
void forwards(const Words &words);
#endif

#endif
