/*
 * The backup restorer object of Keyferry for C and C++: the interfaces of the Windows Media Format SDK, on Windows, Linux
 * and macOS. Ownership, threads, strings and errors: docs/abi.md. Each call and what it answers: docs/sdk.md.
 *
 * On Windows a program may use the SDK's own headers (wmsdkidl.h) instead, or include them before this one: what they
 * declare isn't declared again.
 */
#ifndef KEYFERRY_H
#define KEYFERRY_H

#include <stdint.h>

#ifdef _WIN32
#include <windows.h>
#include <unknwn.h>
#else
#include <stddef.h>
#ifdef __cplusplus
typedef char16_t WCHAR;
#else
#include <uchar.h>
typedef char16_t WCHAR;
#endif

/* The types of windows.h that the interfaces need. A WCHAR has two bytes everywhere. */
typedef int32_t HRESULT;
typedef uint32_t DWORD;
typedef uint32_t ULONG;
typedef uint16_t WORD;
typedef uint8_t BYTE;
typedef const WCHAR *LPCWSTR;
typedef char *LPSTR;

typedef struct GUID {
    uint32_t Data1;
    uint16_t Data2;
    uint16_t Data3;
    uint8_t Data4[8];
} GUID;
typedef GUID IID;

#ifdef __cplusplus
typedef const IID &REFIID;
inline bool operator==(const GUID &a, const GUID &b) {
    return __builtin_memcmp(&a, &b, sizeof(GUID)) == 0;
}
inline bool operator!=(const GUID &a, const GUID &b) { return !(a == b); }
#else
typedef const IID *REFIID;
#endif

#define STDMETHODCALLTYPE
#define SUCCEEDED(hr) ((HRESULT)(hr) >= 0)
#define FAILED(hr) ((HRESULT)(hr) < 0)

#define S_OK ((HRESULT)0)
#define E_NOINTERFACE ((HRESULT)0x80004002)
#define E_POINTER ((HRESULT)0x80004003)
#define E_UNEXPECTED ((HRESULT)0x8000FFFF)
#define E_ACCESSDENIED ((HRESULT)0x80070005)
#define E_OUTOFMEMORY ((HRESULT)0x8007000E)
#define E_INVALIDARG ((HRESULT)0x80070057)
#endif

#ifdef __cplusplus
#define KEYFERRY_EXTERN extern "C"
#else
#define KEYFERRY_EXTERN extern
#endif

/* Flags. */
#ifndef WM_BACKUP_OVERWRITE
#define WM_BACKUP_OVERWRITE ((DWORD)0x1)
#endif
#ifndef WM_RESTORE_INDIVIDUALIZE
#define WM_RESTORE_INDIVIDUALIZE ((DWORD)0x2)
#endif

/* HRESULTs that an operation, or a call, may answer beside those of COM (nserror.h has the names on Windows). */
#ifndef NS_E_DRM_LICENSE_STORE_ERROR
#define NS_E_DRM_LICENSE_STORE_ERROR ((HRESULT)0xC00D2712)
#endif
#ifndef NS_E_DRM_INVALID_MACHINE
#define NS_E_DRM_INVALID_MACHINE ((HRESULT)0xC00D2719)
#endif
#ifndef NS_E_DRM_NEEDS_INDIVIDUALIZATION
#define NS_E_DRM_NEEDS_INDIVIDUALIZATION ((HRESULT)0xC00D2728)
#endif
#ifndef NS_E_BACKUP_RESTORE_FAILURE
#define NS_E_BACKUP_RESTORE_FAILURE ((HRESULT)0xC00D272D)
#endif
#ifndef NS_E_BACKUP_RESTORE_BAD_REQUEST_ID
#define NS_E_BACKUP_RESTORE_BAD_REQUEST_ID ((HRESULT)0xC00D272E)
#endif
#ifndef NS_E_DRM_INDIVIDUALIZE_ERROR
#define NS_E_DRM_INDIVIDUALIZE_ERROR ((HRESULT)0xC00D2736)
#endif
#ifndef NS_E_DRM_BACKUP_EXISTS
#define NS_E_DRM_BACKUP_EXISTS ((HRESULT)0xC00D2742)
#endif
#ifndef NS_E_DRM_BACKUP_CORRUPT
#define NS_E_DRM_BACKUP_CORRUPT ((HRESULT)0xC00D2743)
#endif
#ifndef NS_E_DRM_BACKUPRESTORE_BUSY
#define NS_E_DRM_BACKUPRESTORE_BUSY ((HRESULT)0xC00D2744)
#endif
#ifndef NS_E_BACKUP_RESTORE_BAD_DATA
#define NS_E_BACKUP_RESTORE_BAD_DATA ((HRESULT)0xC00D2745)
#endif
#ifndef NS_E_DRM_INVALID_PROPERTY
#define NS_E_DRM_INVALID_PROPERTY ((HRESULT)0xC00D2749)
#endif
#ifndef NS_E_DRM_RESTORE_FRAUD
#define NS_E_DRM_RESTORE_FRAUD ((HRESULT)0xC00D2753)
#endif
#ifndef NS_E_DRM_BUFFER_TOO_SMALL
#define NS_E_DRM_BUFFER_TOO_SMALL ((HRESULT)0xC00D275C)
#endif
#ifndef NS_E_DRM_STORE_NOTALLSTORED
#define NS_E_DRM_STORE_NOTALLSTORED ((HRESULT)0xC00D275F)
#endif
#ifndef NS_E_DRM_OPERATION_CANCELED
#define NS_E_DRM_OPERATION_CANCELED ((HRESULT)0xC00D2768)
#endif
#ifndef NS_E_DRM_CHECKPOINT_FAILED
#define NS_E_DRM_CHECKPOINT_FAILED ((HRESULT)0xC00D277F)
#endif
#ifndef NS_E_DRM_DATASTORE_CORRUPT
#define NS_E_DRM_DATASTORE_CORRUPT ((HRESULT)0xC00D2783)
#endif
#ifndef NS_E_DRM_LICENSE_EXPIRED
#define NS_E_DRM_LICENSE_EXPIRED ((HRESULT)0xC00D27D8)
#endif
#ifndef NS_E_DRM_LICENSE_CONTENT_REVOKED
#define NS_E_DRM_LICENSE_CONTENT_REVOKED ((HRESULT)0xC00D27E1)
#endif
#ifndef NS_E_DRM_BUSY
#define NS_E_DRM_BUSY ((HRESULT)0xC00D2841)
#endif
#ifndef NS_E_DRM_INDIV_FRAUD
#define NS_E_DRM_INDIV_FRAUD ((HRESULT)0xC00D2843)
#endif
#ifndef NS_E_DRM_INDIV_SERVICE_UNAVAILABLE
#define NS_E_DRM_INDIV_SERVICE_UNAVAILABLE ((HRESULT)0xC00D2845)
#endif
#ifndef NS_E_DRM_RESTORE_SERVICE_UNAVAILABLE
#define NS_E_DRM_RESTORE_SERVICE_UNAVAILABLE ((HRESULT)0xC00D2846)
#endif
#ifndef NS_E_DRM_CERTIFICATE_REVOKED
#define NS_E_DRM_CERTIFICATE_REVOKED ((HRESULT)0xC00D28A1)
#endif

/* Interfaces are declared as the SDK's tools declare them: classes in C++, tables of functions in C. */
#ifndef __IUnknown_INTERFACE_DEFINED__
#define __IUnknown_INTERFACE_DEFINED__
typedef struct IUnknown IUnknown;
#ifdef __cplusplus
struct IUnknown {
    virtual HRESULT STDMETHODCALLTYPE QueryInterface(REFIID riid, void **ppvObject) = 0;
    virtual ULONG STDMETHODCALLTYPE AddRef() = 0;
    virtual ULONG STDMETHODCALLTYPE Release() = 0;
};
#else
typedef struct IUnknownVtbl {
    HRESULT(STDMETHODCALLTYPE *QueryInterface)(IUnknown *This, REFIID riid, void **ppvObject);
    ULONG(STDMETHODCALLTYPE *AddRef)(IUnknown *This);
    ULONG(STDMETHODCALLTYPE *Release)(IUnknown *This);
} IUnknownVtbl;
struct IUnknown {
    const IUnknownVtbl *lpVtbl;
};
#endif
#endif

/* Types of wmsdkidl.h. */
#if !defined(__wmsdkidl_h__) && !defined(__WIDL_WMSDKIDL_H) && !defined(__wmsdkidl_FWD_DEFINED__)
typedef enum WMT_STATUS {
    WMT_ERROR = 0,
    WMT_BACKUPRESTORE_BEGIN = 21,
    WMT_INDIVIDUALIZE = 24,
    WMT_NEEDS_INDIVIDUALIZATION = 25,
    WMT_BACKUPRESTORE_END = 27,
    WMT_BACKUPRESTORE_CONNECTING = 28,
    WMT_BACKUPRESTORE_DISCONNECTING = 29,
    WMT_ERROR_WITHURL = 30,
    WMT_RESTRICTED_LICENSE = 31
} WMT_STATUS;

typedef enum WMT_ATTR_DATATYPE {
    WMT_TYPE_DWORD = 0,
    WMT_TYPE_STRING = 1,
    WMT_TYPE_BINARY = 2,
    WMT_TYPE_BOOL = 3,
    WMT_TYPE_QWORD = 4,
    WMT_TYPE_WORD = 5,
    WMT_TYPE_GUID = 6
} WMT_ATTR_DATATYPE;
#endif

#ifndef KEYFERRY_INDIVIDUALIZE_STATUS
#define KEYFERRY_INDIVIDUALIZE_STATUS
/* The value of WMT_INDIVIDUALIZE: the SDK's WM_INDIVIDUALIZE_STATUS, under a name of its own beside the SDK's header. */
typedef struct KeyferryIndividualizeStatus {
    HRESULT hr;
    int32_t enIndiStatus;       /* begin 1, succeed 2, fail 4 */
    const char *pszIndiRespUrl; /* NULL */
    DWORD dwHTTPRequest;
    int32_t enHTTPStatus; /* not initiated 0, connecting 1, requesting 2, receiving 3, completed 4 */
    DWORD dwHTTPReadProgress;
    DWORD dwHTTPReadTotal;
} KeyferryIndividualizeStatus;
#endif

#ifndef __IWMStatusCallback_INTERFACE_DEFINED__
#define __IWMStatusCallback_INTERFACE_DEFINED__
typedef struct IWMStatusCallback IWMStatusCallback;
#ifdef __cplusplus
struct IWMStatusCallback : public IUnknown {
    virtual HRESULT STDMETHODCALLTYPE OnStatus(WMT_STATUS Status, HRESULT hr, WMT_ATTR_DATATYPE dwType, BYTE *pValue, void *pvContext) = 0;
};
#else
typedef struct IWMStatusCallbackVtbl {
    HRESULT(STDMETHODCALLTYPE *QueryInterface)(IWMStatusCallback *This, REFIID riid, void **ppvObject);
    ULONG(STDMETHODCALLTYPE *AddRef)(IWMStatusCallback *This);
    ULONG(STDMETHODCALLTYPE *Release)(IWMStatusCallback *This);
    HRESULT(STDMETHODCALLTYPE *OnStatus)(IWMStatusCallback *This, WMT_STATUS Status, HRESULT hr, WMT_ATTR_DATATYPE dwType, BYTE *pValue, void *pvContext);
} IWMStatusCallbackVtbl;
struct IWMStatusCallback {
    const IWMStatusCallbackVtbl *lpVtbl;
};
#endif
#endif

#ifndef __IWMLicenseBackup_INTERFACE_DEFINED__
#define __IWMLicenseBackup_INTERFACE_DEFINED__
typedef struct IWMLicenseBackup IWMLicenseBackup;
#ifdef __cplusplus
struct IWMLicenseBackup : public IUnknown {
    virtual HRESULT STDMETHODCALLTYPE BackupLicenses(DWORD dwFlags, IWMStatusCallback *pCallback) = 0;
    virtual HRESULT STDMETHODCALLTYPE CancelLicenseBackup() = 0;
};
#else
typedef struct IWMLicenseBackupVtbl {
    HRESULT(STDMETHODCALLTYPE *QueryInterface)(IWMLicenseBackup *This, REFIID riid, void **ppvObject);
    ULONG(STDMETHODCALLTYPE *AddRef)(IWMLicenseBackup *This);
    ULONG(STDMETHODCALLTYPE *Release)(IWMLicenseBackup *This);
    HRESULT(STDMETHODCALLTYPE *BackupLicenses)(IWMLicenseBackup *This, DWORD dwFlags, IWMStatusCallback *pCallback);
    HRESULT(STDMETHODCALLTYPE *CancelLicenseBackup)(IWMLicenseBackup *This);
} IWMLicenseBackupVtbl;
struct IWMLicenseBackup {
    const IWMLicenseBackupVtbl *lpVtbl;
};
#endif
#endif

#ifndef __IWMLicenseRestore_INTERFACE_DEFINED__
#define __IWMLicenseRestore_INTERFACE_DEFINED__
typedef struct IWMLicenseRestore IWMLicenseRestore;
#ifdef __cplusplus
struct IWMLicenseRestore : public IUnknown {
    virtual HRESULT STDMETHODCALLTYPE RestoreLicenses(DWORD dwFlags, IWMStatusCallback *pCallback) = 0;
    virtual HRESULT STDMETHODCALLTYPE CancelLicenseRestore() = 0;
};
#else
typedef struct IWMLicenseRestoreVtbl {
    HRESULT(STDMETHODCALLTYPE *QueryInterface)(IWMLicenseRestore *This, REFIID riid, void **ppvObject);
    ULONG(STDMETHODCALLTYPE *AddRef)(IWMLicenseRestore *This);
    ULONG(STDMETHODCALLTYPE *Release)(IWMLicenseRestore *This);
    HRESULT(STDMETHODCALLTYPE *RestoreLicenses)(IWMLicenseRestore *This, DWORD dwFlags, IWMStatusCallback *pCallback);
    HRESULT(STDMETHODCALLTYPE *CancelLicenseRestore)(IWMLicenseRestore *This);
} IWMLicenseRestoreVtbl;
struct IWMLicenseRestore {
    const IWMLicenseRestoreVtbl *lpVtbl;
};
#endif
#endif

#ifndef __IWMBackupRestoreProps_INTERFACE_DEFINED__
#define __IWMBackupRestoreProps_INTERFACE_DEFINED__
typedef struct IWMBackupRestoreProps IWMBackupRestoreProps;
#ifdef __cplusplus
struct IWMBackupRestoreProps : public IUnknown {
    virtual HRESULT STDMETHODCALLTYPE GetPropCount(WORD *pcProps) = 0;
    virtual HRESULT STDMETHODCALLTYPE GetPropByIndex(WORD wIndex, WCHAR *pwszName, WORD *pcchNameLen, WMT_ATTR_DATATYPE *pType, BYTE *pValue, WORD *pcbLength) = 0;
    virtual HRESULT STDMETHODCALLTYPE GetPropByName(LPCWSTR pszName, WMT_ATTR_DATATYPE *pType, BYTE *pValue, WORD *pcbLength) = 0;
    virtual HRESULT STDMETHODCALLTYPE SetProp(LPCWSTR pszName, WMT_ATTR_DATATYPE Type, const BYTE *pValue, WORD cbLength) = 0;
    virtual HRESULT STDMETHODCALLTYPE RemoveProp(LPCWSTR pcwszName) = 0;
    virtual HRESULT STDMETHODCALLTYPE RemoveAllProps() = 0;
};
#else
typedef struct IWMBackupRestorePropsVtbl {
    HRESULT(STDMETHODCALLTYPE *QueryInterface)(IWMBackupRestoreProps *This, REFIID riid, void **ppvObject);
    ULONG(STDMETHODCALLTYPE *AddRef)(IWMBackupRestoreProps *This);
    ULONG(STDMETHODCALLTYPE *Release)(IWMBackupRestoreProps *This);
    HRESULT(STDMETHODCALLTYPE *GetPropCount)(IWMBackupRestoreProps *This, WORD *pcProps);
    HRESULT(STDMETHODCALLTYPE *GetPropByIndex)(IWMBackupRestoreProps *This, WORD wIndex, WCHAR *pwszName, WORD *pcchNameLen, WMT_ATTR_DATATYPE *pType, BYTE *pValue, WORD *pcbLength);
    HRESULT(STDMETHODCALLTYPE *GetPropByName)(IWMBackupRestoreProps *This, LPCWSTR pszName, WMT_ATTR_DATATYPE *pType, BYTE *pValue, WORD *pcbLength);
    HRESULT(STDMETHODCALLTYPE *SetProp)(IWMBackupRestoreProps *This, LPCWSTR pszName, WMT_ATTR_DATATYPE Type, const BYTE *pValue, WORD cbLength);
    HRESULT(STDMETHODCALLTYPE *RemoveProp)(IWMBackupRestoreProps *This, LPCWSTR pcwszName);
    HRESULT(STDMETHODCALLTYPE *RemoveAllProps)(IWMBackupRestoreProps *This);
} IWMBackupRestorePropsVtbl;
struct IWMBackupRestoreProps {
    const IWMBackupRestorePropsVtbl *lpVtbl;
};
#endif
#endif

#ifndef __IWMLicenseRevocationAgent_INTERFACE_DEFINED__
#define __IWMLicenseRevocationAgent_INTERFACE_DEFINED__
typedef struct IWMLicenseRevocationAgent IWMLicenseRevocationAgent;
#ifdef __cplusplus
struct IWMLicenseRevocationAgent : public IUnknown {
    virtual HRESULT STDMETHODCALLTYPE GetLRBChallenge(BYTE *pMachineID, DWORD cbMachineID, BYTE *pChallenge, DWORD cbChallenge, BYTE *pOut, DWORD *pcbOut) = 0;
    virtual HRESULT STDMETHODCALLTYPE ProcessLRB(BYTE *pSignedLRB, DWORD cbSignedLRB, BYTE *pSignedACK, DWORD *pcbSignedACK) = 0;
};
#else
typedef struct IWMLicenseRevocationAgentVtbl {
    HRESULT(STDMETHODCALLTYPE *QueryInterface)(IWMLicenseRevocationAgent *This, REFIID riid, void **ppvObject);
    ULONG(STDMETHODCALLTYPE *AddRef)(IWMLicenseRevocationAgent *This);
    ULONG(STDMETHODCALLTYPE *Release)(IWMLicenseRevocationAgent *This);
    HRESULT(STDMETHODCALLTYPE *GetLRBChallenge)(IWMLicenseRevocationAgent *This, BYTE *pMachineID, DWORD cbMachineID, BYTE *pChallenge, DWORD cbChallenge, BYTE *pOut, DWORD *pcbOut);
    HRESULT(STDMETHODCALLTYPE *ProcessLRB)(IWMLicenseRevocationAgent *This, BYTE *pSignedLRB, DWORD cbSignedLRB, BYTE *pSignedACK, DWORD *pcbSignedACK);
} IWMLicenseRevocationAgentVtbl;
struct IWMLicenseRevocationAgent {
    const IWMLicenseRevocationAgentVtbl *lpVtbl;
};
#endif
#endif

/* What became of one license: see IKeyferryProgress. Text is never NULL. */
typedef struct KeyferryLicense {
    uint32_t size; /* of this structure: a later version may have more fields behind these */
    HRESULT hr;    /* 0, or why it isn't here or in the backup */
    uint32_t slot; /* which of the computers that hold it this one is, from 1; 0: no service was asked */
    uint32_t slots;
    const WCHAR *outcome; /* one word, as in keyferry --json */
    const WCHAR *title;
    const WCHAR *why;
    uint8_t license[16];
    uint8_t key_id[16];
    uint8_t issuer[32];
} KeyferryLicense;

/* An application that implements it on the same object as its IWMStatusCallback is told more than the SDK tells. */

#ifndef __IKeyferryProgress_INTERFACE_DEFINED__
#define __IKeyferryProgress_INTERFACE_DEFINED__
typedef struct IKeyferryProgress IKeyferryProgress;
#ifdef __cplusplus
struct IKeyferryProgress : public IUnknown {
    virtual HRESULT STDMETHODCALLTYPE OnProgress(uint64_t done, uint64_t total) = 0;
    virtual HRESULT STDMETHODCALLTYPE OnLicense(const KeyferryLicense *license) = 0;
};
#else
typedef struct IKeyferryProgressVtbl {
    HRESULT(STDMETHODCALLTYPE *QueryInterface)(IKeyferryProgress *This, REFIID riid, void **ppvObject);
    ULONG(STDMETHODCALLTYPE *AddRef)(IKeyferryProgress *This);
    ULONG(STDMETHODCALLTYPE *Release)(IKeyferryProgress *This);
    HRESULT(STDMETHODCALLTYPE *OnProgress)(IKeyferryProgress *This, uint64_t done, uint64_t total);
    HRESULT(STDMETHODCALLTYPE *OnLicense)(IKeyferryProgress *This, const KeyferryLicense *license);
} IKeyferryProgressVtbl;
struct IKeyferryProgress {
    const IKeyferryProgressVtbl *lpVtbl;
};
#endif
#endif

/* Interface IDs. They are constants of this header under names of Keyferry's own, so that nothing has to be linked for
 * them and nothing clashes with libraries that define IID_IWM... */
static const IID KEYFERRY_IID_IUnknown = {0x00000000, 0x0000, 0x0000, {0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46}};
static const IID KEYFERRY_IID_IWMStatusCallback = {0x6d7cdc70, 0x9888, 0x11d3, {0x8e, 0xdc, 0x00, 0xc0, 0x4f, 0x61, 0x09, 0xcf}};
static const IID KEYFERRY_IID_IWMLicenseBackup = {0x05e5ac9f, 0x3fb6, 0x4508, {0xbb, 0x43, 0xa4, 0x06, 0x7b, 0xa1, 0xeb, 0xe8}};
static const IID KEYFERRY_IID_IWMLicenseRestore = {0xc70b6334, 0xa22e, 0x4efb, {0xa2, 0x45, 0x15, 0xe6, 0x5a, 0x00, 0x4a, 0x13}};
static const IID KEYFERRY_IID_IWMBackupRestoreProps = {0x3c8e0da6, 0x996f, 0x4ff3, {0xa1, 0xaf, 0x48, 0x38, 0xf9, 0x37, 0x7e, 0x2e}};
static const IID KEYFERRY_IID_IWMLicenseRevocationAgent = {0x6967f2c9, 0x4e26, 0x4b57, {0x88, 0x94, 0x79, 0x98, 0x80, 0xf7, 0xac, 0x7b}};
static const IID KEYFERRY_IID_IKeyferryProgress = {0xa5b01f0c, 0x6d8e, 0x4a55, {0x9a, 0x5e, 0x5d, 0x0c, 0x3a, 0x1f, 0x7e, 0x42}};

/* Creates the object. pCallback may be NULL. *ppBackup receives a reference that the caller releases. */
KEYFERRY_EXTERN HRESULT STDMETHODCALLTYPE WMCreateBackupRestorer(IUnknown *pCallback, IWMLicenseBackup **ppBackup);

/* Creates the license revocation agent. pCallback may be NULL. *ppAgent receives a reference that the caller releases. */
KEYFERRY_EXTERN HRESULT STDMETHODCALLTYPE WMCreateLicenseRevocationAgent(IUnknown *pCallback, IWMLicenseRevocationAgent **ppAgent);

#endif
