// Who may release, start and cancel when: from inside OnStatus, from many threads, and very often.
#include "client.hpp"

#include <fstream>

static void prepare(Restorer &object, const Words &words) {
    CHECK(words.size() == 2);
    CHECK_HR(object.set("Keyferry.Store", words[0]), S_OK);
    CHECK_HR(object.set("BackupPath", words[1]), S_OK);
    CHECK_HR(object.set("RestorePath", words[1]), S_OK);
}

// reentrance STORE FOLDER: from inside OnStatus the last reference goes, or the next operation begins, or it is canceled.
void reentrance(const Words &words) {
    Callback callback;
    {
        IWMLicenseBackup *backup = nullptr;
        {
            Restorer object;
            prepare(object, words);
            backup = object.backup;
            backup->AddRef();
            // Only the reference in `backup` is left.
            object.restore->Release();
            object.properties->Release();
            object.backup->Release();
            object.restore = nullptr;
            object.properties = nullptr;
            object.backup = nullptr;
        }
        callback.at = [&](int status) {
            if (status == WMT_BACKUPRESTORE_BEGIN) CHECK(backup->Release() == 0);
        };
        CHECK_HR(backup->BackupLicenses(WM_BACKUP_OVERWRITE, &callback), S_OK);
        CHECK_HR(callback.wait(1), S_OK);
    }
    Restorer object;
    prepare(object, words);
    // A backup's END begins a restore, whose END begins a backup that is canceled at its BEGIN.
    int phase = 0;
    callback.at = [&](int status) {
        if (status == WMT_BACKUPRESTORE_BEGIN && phase == 2) CHECK_HR(object.backup->CancelLicenseBackup(), S_OK);
        if (status != WMT_BACKUPRESTORE_END) return;
        phase++;
        if (phase == 1) CHECK_HR(object.restore->RestoreLicenses(0, &callback), S_OK);
        if (phase == 2) CHECK_HR(object.backup->BackupLicenses(WM_BACKUP_OVERWRITE, &callback), S_OK);
    };
    CHECK_HR(object.backup->BackupLicenses(WM_BACKUP_OVERWRITE, &callback), S_OK);
    CHECK_HR(callback.wait(4), NS_E_DRM_OPERATION_CANCELED);
}

// Pages of memory that are resident; 0 where the system has no such file.
static long resident() {
    std::ifstream statm("/proc/self/statm");
    long size = 0, pages = 0;
    statm >> size >> pages;
    return pages;
}

// endurance STORE FOLDER: 10,000 objects and 100 backups don't make the program larger.
void endurance(const Words &words) {
    const auto objects = [](int count) {
        for (int made = 0; made < count; made++) {
            Restorer object;
            CHECK_HR(object.set("Keyferry.From", "somebody"), S_OK);
        }
    };
    Restorer object;
    prepare(object, words);
    Callback callback;
    const auto backups = [&](int count) {
        for (int made = 0; made < count; made++) {
            CHECK_HR(object.backup->BackupLicenses(WM_BACKUP_OVERWRITE, &callback), S_OK);
            CHECK_HR(callback.wait(callback.ends + 1), S_OK);
            callback.lines.clear();
        }
    };
    // What is allocated once, is by now.
    objects(1000);
    backups(20);
    const long before = resident();
    objects(10000);
    backups(100);
    const long grown = resident() - before;
    std::printf("grown by %ld pages\n", grown);
    CHECK(grown < 512);
}

// threads STORE FOLDER: eight threads use one object at once.
void threads(const Words &words) {
    Restorer object;
    prepare(object, words);
    std::vector<std::thread> users;
    std::atomic<int> begun{0}, busy{0};
    for (int number = 0; number < 8; number++) {
        users.emplace_back([&, number] {
            for (int round = 0; round < 25; round++) {
                const std::string value = "user " + std::to_string(number) + std::string(round, 'x');
                CHECK_HR(object.set("Keyferry.From", value), S_OK);
                WORD count = 0;
                CHECK_HR(object.properties->GetPropCount(&count), S_OK);
                CHECK(count >= 3);
                std::vector<BYTE> read(256);
                WORD length = static_cast<WORD>(read.size());
                WMT_ATTR_DATATYPE type;
                CHECK_HR(object.properties->GetPropByName(wide("Keyferry.From").data(), &type, read.data(), &length), S_OK);
                void *same = nullptr;
                CHECK_HR(object.restore->QueryInterface(KEYFERRY_IID_IWMLicenseBackup, &same), S_OK);
                CHECK(same == object.backup);
                object.backup->Release();
                Callback callback;
                const HRESULT hr = object.backup->BackupLicenses(WM_BACKUP_OVERWRITE, &callback);
                if (hr == S_OK) {
                    begun++;
                    if (round % 3 == 0) object.backup->CancelLicenseBackup();
                    const HRESULT ended = callback.wait();
                    CHECK(ended == S_OK || ended == NS_E_DRM_OPERATION_CANCELED);
                } else {
                    CHECK_HR(hr, NS_E_DRM_BACKUPRESTORE_BUSY);
                    busy++;
                    CHECK(callback.references == 1);
                }
            }
        });
    }
    for (std::thread &user : users) user.join();
    std::printf("%d begun, %d busy\n", begun.load(), busy.load());
    CHECK(begun > 0 && begun + busy == 200);
}
