/*
 * The backup restorer object behind the menu commands of a program in C.
 *
 *     cc menu.c $(pkg-config --cflags --libs keyferry) -lpthread -o menu
 *     ./menu /media/stick Keyferry.Trust=THUMBPRINT
 *
 * Type b to back up, o to back up over an older backup, r to restore, y to restore and agree that this computer's public
 * keys and its name are sent to the service, c to cancel, q to quit.
 *
 * In C an interface is a pointer to a table of functions, and each function takes the interface as its first argument.
 */
#include <inttypes.h>
#include <keyferry.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text of this program to UTF-16; answers the units with the terminator, 0 where it isn't text or is too long. */
static size_t to_utf16(const char *text, WCHAR *units, size_t room) {
    mbstate_t state = {0};
    const char *const end = text + strlen(text) + 1;
    for (size_t count = 0; count < room;) {
        const size_t used = mbrtoc16(&units[count], text, (size_t)(end - text), &state);
        if (used == (size_t)-1 || used == (size_t)-2) return 0;
        if (units[count++] == 0) return count;
        /* The second half of a surrogate pair uses no bytes. */
        if (used != (size_t)-3) text += used;
    }
    return 0;
}

static void print_utf16(const WCHAR *units) {
    mbstate_t state = {0};
    for (char bytes[MB_LEN_MAX]; *units != 0; units++) {
        const size_t length = c16rtomb(bytes, *units, &state);
        if (length != (size_t)-1) fwrite(bytes, 1, length, stdout);
    }
}

/* How many operations run; the main thread waits for their END before it quits. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static int running;

static void add_running(int more) {
    pthread_mutex_lock(&lock);
    running += more;
    pthread_cond_signal(&ended);
    pthread_mutex_unlock(&lock);
}

/* The callback is one static object that nobody frees, so its references need no counting. */
static HRESULT STDMETHODCALLTYPE query(IWMStatusCallback *This, REFIID riid, void **found) {
    const int known = memcmp(riid, &KEYFERRY_IID_IUnknown, sizeof *riid) == 0 ||
                      memcmp(riid, &KEYFERRY_IID_IWMStatusCallback, sizeof *riid) == 0;
    *found = known ? This : NULL;
    return known ? S_OK : E_NOINTERFACE;
}

static ULONG STDMETHODCALLTYPE add_ref(IWMStatusCallback *This) {
    (void)This;
    return 2;
}

static ULONG STDMETHODCALLTYPE release(IWMStatusCallback *This) {
    (void)This;
    return 1;
}

/* Called from the operation's thread; what `value` points to is gone after the call. */
static HRESULT STDMETHODCALLTYPE on_status(IWMStatusCallback *This, WMT_STATUS status, HRESULT hr, WMT_ATTR_DATATYPE type,
                                           BYTE *value, void *context) {
    (void)This, (void)type, (void)context;
    switch ((int)status) {
    case WMT_RESTRICTED_LICENSE: /* the rights of a license don't let it leave; its key ID */
        printf("stays here: ");
        print_utf16((const WCHAR *)value);
        printf("\n");
        break;
    case WMT_ERROR_WITHURL: /* a service refused; a program with windows opens the page */
        printf("refused (%08" PRIX32 "), see ", (uint32_t)hr);
        print_utf16((const WCHAR *)value);
        printf("\n");
        break;
    case WMT_BACKUPRESTORE_CONNECTING:
        printf("asking the service\n");
        break;
    case WMT_BACKUPRESTORE_END: /* comes exactly once, and last */
        if (hr == S_OK)
            printf("done\n");
        else if (hr == NS_E_DRM_OPERATION_CANCELED)
            printf("canceled\n");
        else if (hr == NS_E_DRM_BACKUP_EXISTS)
            printf("a backup is there, o replaces it\n");
        else if (hr == NS_E_DRM_NEEDS_INDIVIDUALIZATION)
            printf("the service wants to know this computer, y agrees\n");
        else
            printf("failed: %08" PRIX32 "\n", (uint32_t)hr);
        add_running(-1);
        break;
    default:
        break;
    }
    return S_OK;
}

static const IWMStatusCallbackVtbl functions = {query, add_ref, release, on_status};
static IWMStatusCallback callback = {&functions};

static int set(IWMBackupRestoreProps *properties, const char *name, const char *value) {
    WCHAR wide_name[64], wide_value[4096];
    const size_t units = to_utf16(value, wide_value, sizeof wide_value / sizeof *wide_value);
    if (units == 0 || to_utf16(name, wide_name, sizeof wide_name / sizeof *wide_name) == 0) return 0;
    /* The length counts bytes, and the terminator too. */
    const HRESULT hr = properties->lpVtbl->SetProp(properties, wide_name, WMT_TYPE_STRING, (const BYTE *)wide_value,
                                                   (WORD)(units * sizeof(WCHAR)));
    if (FAILED(hr)) fprintf(stderr, "%s: %08" PRIX32 "\n", name, (uint32_t)hr);
    return SUCCEEDED(hr);
}

/* Runs the command of the menu; an HRESULT of failure when nothing was begun. */
static HRESULT run(int command, IWMLicenseBackup *backup, IWMLicenseRestore *restore) {
    switch (command) {
    case 'b': return backup->lpVtbl->BackupLicenses(backup, 0, &callback);
    case 'o': return backup->lpVtbl->BackupLicenses(backup, WM_BACKUP_OVERWRITE, &callback);
    case 'r': return restore->lpVtbl->RestoreLicenses(restore, 0, &callback);
    default: return restore->lpVtbl->RestoreLicenses(restore, WM_RESTORE_INDIVIDUALIZE, &callback);
    }
}

int main(int argc, char **argv) {
    IWMLicenseBackup *backup = NULL;
    IWMLicenseRestore *restore = NULL;
    IWMBackupRestoreProps *properties = NULL;
    char line[16];

    setlocale(LC_ALL, "");
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2) return fprintf(stderr, "usage: menu FOLDER [PROPERTY=VALUE...]\n"), 2;

    /* One object; its other interfaces come by QueryInterface. Each is a reference that is released in the end. */
    if (FAILED(WMCreateBackupRestorer(NULL, &backup)) ||
        FAILED(backup->lpVtbl->QueryInterface(backup, &KEYFERRY_IID_IWMLicenseRestore, (void **)&restore)) ||
        FAILED(backup->lpVtbl->QueryInterface(backup, &KEYFERRY_IID_IWMBackupRestoreProps, (void **)&properties)))
        return 1;
    int good = set(properties, "BackupPath", argv[1]) && set(properties, "RestorePath", argv[1]);
    for (int at = 2; good && at < argc; at++) {
        char *const sign = strchr(argv[at], '=');
        if (sign != NULL) *sign = 0;
        good = sign != NULL && set(properties, argv[at], sign + 1);
    }

    while (good && fgets(line, sizeof line, stdin) != NULL && line[0] != 'q') {
        if (line[0] == 'c') {
            /* Cancels what runs of each kind; the END says that it is canceled. */
            backup->lpVtbl->CancelLicenseBackup(backup);
            restore->lpVtbl->CancelLicenseRestore(restore);
        } else if (strchr("bory", line[0]) != NULL) {
            /* The END may come before this call has returned. */
            add_running(1);
            const HRESULT hr = run(line[0], backup, restore);
            if (SUCCEEDED(hr)) continue;
            /* Nothing was begun, so no END will come. One that runs already is NS_E_DRM_BACKUPRESTORE_BUSY. */
            printf("not begun: %08" PRIX32 "\n", (uint32_t)hr);
            add_running(-1);
        }
    }

    pthread_mutex_lock(&lock);
    while (running > 0) pthread_cond_wait(&ended, &lock);
    pthread_mutex_unlock(&lock);
    properties->lpVtbl->Release(properties);
    restore->lpVtbl->Release(restore);
    backup->lpVtbl->Release(backup);
    return good ? 0 : 1;
}
