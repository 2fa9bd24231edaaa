/* A program that loads the library while it runs, begins a backup, and unloads it at once: unload LIBRARY STORE FOLDER. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "keyferry.h"

static atomic_int references = 1;
static _Atomic(HRESULT) end = -1;

static HRESULT STDMETHODCALLTYPE query(IWMStatusCallback *This, REFIID riid, void **found) {
    const int known = memcmp(riid, &KEYFERRY_IID_IWMStatusCallback, sizeof *riid) == 0;
    *found = known ? This : NULL;
    references += known;
    return known ? S_OK : E_NOINTERFACE;
}

static ULONG STDMETHODCALLTYPE add_ref(IWMStatusCallback *This) {
    (void)This;
    return (ULONG)++references;
}

static ULONG STDMETHODCALLTYPE release(IWMStatusCallback *This) {
    (void)This;
    return (ULONG)--references;
}

static HRESULT STDMETHODCALLTYPE on_status(IWMStatusCallback *This, WMT_STATUS status, HRESULT hr, WMT_ATTR_DATATYPE type,
                                           BYTE *value, void *context) {
    (void)This, (void)type, (void)value, (void)context;
    if (status == WMT_BACKUPRESTORE_END) end = hr;
    return S_OK;
}

static const IWMStatusCallbackVtbl functions = {query, add_ref, release, on_status};
static IWMStatusCallback callback = {&functions};

static int set(IWMBackupRestoreProps *properties, LPCWSTR name, const char *ascii) {
    WCHAR units[4096];
    size_t count = 0;
    do units[count] = (WCHAR)ascii[count];
    while (ascii[count++] != 0);
    return properties->lpVtbl->SetProp(properties, name, WMT_TYPE_STRING, (const BYTE *)units, (WORD)(2 * count)) == S_OK;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    void *library = dlopen(argv[1], RTLD_NOW);
    if (library == NULL) return 3;
    HRESULT (*create)(IUnknown *, IWMLicenseBackup **);
    *(void **)&create = dlsym(library, "WMCreateBackupRestorer");
    IWMLicenseBackup *backup = NULL;
    void *properties = NULL;
    if (create == NULL || create(NULL, &backup) != S_OK) return 4;
    if (backup->lpVtbl->QueryInterface(backup, &KEYFERRY_IID_IWMBackupRestoreProps, &properties) != S_OK) return 5;
    if (!set(properties, u"Keyferry.Store", argv[2]) || !set(properties, u"BackupPath", argv[3])) return 6;
    if (backup->lpVtbl->BackupLicenses(backup, 0, &callback) != S_OK) return 7;
    ((IUnknown *)properties)->lpVtbl->Release(properties);
    if (backup->lpVtbl->Release(backup) != 0) return 8;
    if (dlclose(library) != 0) return 9;
    /* It stays loaded, and the backup comes to its end. */
    if (dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) == NULL) return 10;
    const struct timespec moment = {0, 10000000};
    for (int look = 0; look < 12000 && references != 1; look++) nanosleep(&moment, NULL);
    printf("%08X\n", (unsigned)end);
    return references == 1 && end == S_OK ? 0 : 11;
}
