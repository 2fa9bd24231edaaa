// On Windows: a program that finds the library as wmvcore.dll still finds what the system's own library has beside it.
#include "client.hpp"

void forwards(const Words &) {
    IWMProfileManager *manager = nullptr;
    CHECK_HR(WMCreateProfileManager(&manager), S_OK);
    CHECK(manager != nullptr);
    manager->AddRef();
    CHECK(manager->Release() == 1);
    CHECK(manager->Release() == 0);
    IWMReader *reader = nullptr;
    CHECK_HR(WMCreateReader(nullptr, 0, &reader), S_OK);
    CHECK(reader != nullptr);
    reader->Release();
}
