"""The backup restorer object behind the menu commands of a program in Python, with nothing but the standard library.

    python3 menu.py libkeyferry.so.0 /media/stick Keyferry.Trust=THUMBPRINT

Type b to back up, o to back up over an older backup, r to restore, y to restore and agree that this computer's public
keys and its name are sent to the service, c to cancel, q to quit.
"""

import ctypes
import sys
import threading
import uuid
from ctypes import POINTER, byref, c_uint16, c_uint32, c_void_p

# An interface is a pointer to a table of functions; on 32-bit Windows these have a calling convention of their own.
FUNCTION = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)
UTF16 = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"

S_OK, E_NOINTERFACE = 0, 0x80004002
BACKUP_EXISTS, CANCELED, NEEDS_INDIVIDUALIZATION = 0xC00D2742, 0xC00D2768, 0xC00D2728
WMT_END, WMT_CONNECTING, WMT_ERROR_WITHURL, WMT_RESTRICTED_LICENSE = 27, 28, 30, 31
WMT_TYPE_STRING, OVERWRITE, INDIVIDUALIZE = 1, 1, 2


def interface_id(text):
    """The 16 bytes of an interface ID, as the machine has them."""
    parsed = uuid.UUID(text)
    return parsed.bytes_le if sys.byteorder == "little" else parsed.bytes


IUNKNOWN = interface_id("00000000-0000-0000-c000-000000000046")
STATUS_CALLBACK = interface_id("6d7cdc70-9888-11d3-8edc-00c04f6109cf")
LICENSE_RESTORE = interface_id("c70b6334-a22e-4efb-a245-15e65a004a13")
PROPERTIES = interface_id("3c8e0da6-996f-4ff3-a1af-4838f9377e2e")


class Interface:
    """A pointer to an interface; methods are called by their place in its table (keyferry.h has the order)."""

    def __init__(self, pointer):
        self.pointer = pointer

    def call(self, place, types=(), *values):
        table = ctypes.cast(self.pointer, POINTER(POINTER(c_void_p)))[0]
        return FUNCTION(c_uint32, c_void_p, *types)(table[place])(self.pointer, *values)

    def query(self, iid):
        found = c_void_p()
        check(self.call(0, (ctypes.c_char_p, c_void_p), iid, byref(found)))
        return Interface(found)

    def release(self):
        self.call(2)


def check(hr):
    if hr & 0x80000000:
        raise OSError(f"{hr:08X}")


def text_at(address):
    """UTF-16 up to its terminator."""
    units = ctypes.cast(address, POINTER(c_uint16))
    count = 0
    while units[count]:
        count += 1
    return ctypes.string_at(address, 2 * count).decode(UTF16)


class Callback:
    """An IWMStatusCallback: a structure whose only field points to a table of four functions."""

    def __init__(self):
        self.references = 1
        self.counted = threading.Condition()
        # They must live as long as the object is used, so they are kept here.
        self.functions = (
            FUNCTION(c_uint32, c_void_p, c_void_p, POINTER(c_void_p))(self.query),
            FUNCTION(c_uint32, c_void_p)(self.add_ref),
            FUNCTION(c_uint32, c_void_p)(self.release),
            FUNCTION(c_uint32, c_void_p, c_uint32, c_uint32, c_uint32, c_void_p, c_void_p)(self.on_status),
        )
        self.table = (c_void_p * 4)(*(ctypes.cast(function, c_void_p) for function in self.functions))
        self.object = c_void_p(ctypes.addressof(self.table))
        self.pointer = byref(self.object)

    def query(self, this, iid, found):
        known = ctypes.string_at(iid, 16) in (IUNKNOWN, STATUS_CALLBACK)
        found[0] = this if known else None
        if not known:
            return E_NOINTERFACE
        self.add_ref(this)
        return S_OK

    def add_ref(self, _this):
        return self.count(1)

    def release(self, _this):
        return self.count(-1)

    def count(self, more):
        with self.counted:
            self.references += more
            self.counted.notify_all()
            return self.references

    def wait(self):
        """The interpreter must not end before the operation's thread has given its reference back."""
        with self.counted:
            self.counted.wait_for(lambda: self.references == 1)

    def on_status(self, _this, status, hr, _type, value, _context):
        """Called from the operation's thread; what `value` points to is gone after the call."""
        if status == WMT_RESTRICTED_LICENSE:  # the rights of a license don't let it leave; its key ID
            tell(f"stays here: {text_at(value)}")
        elif status == WMT_ERROR_WITHURL:  # a service refused; a program with windows opens the page
            tell(f"refused ({hr:08X}), see {text_at(value)}")
        elif status == WMT_CONNECTING:
            tell("asking the service")
        elif status == WMT_END:  # comes exactly once, and last
            known = {
                S_OK: "done",
                CANCELED: "canceled",
                BACKUP_EXISTS: "a backup is there, o replaces it",
                NEEDS_INDIVIDUALIZATION: "the service wants to know this computer, y agrees",
            }
            tell(known.get(hr, f"failed: {hr:08X}"))
        return S_OK


def tell(line):
    print(line, flush=True)


def set_property(properties, name, value):
    encoded = (value + "\0").encode(UTF16)
    types = (ctypes.c_char_p, c_uint32, ctypes.c_char_p, c_uint16)
    # The length counts bytes, and the terminator too. Python adds one zero byte to the name, UTF-16 needs two.
    hr = properties.call(6, types, (name + "\0").encode(UTF16), WMT_TYPE_STRING, encoded, len(encoded))
    if hr != S_OK:
        sys.exit(f"{name}: {hr:08X}")


def main(words):
    if len(words) < 2:
        sys.exit("usage: menu.py LIBRARY FOLDER [PROPERTY=VALUE...]")
    library, folder, *further = words
    create = FUNCTION(c_uint32, c_void_p, POINTER(c_void_p))(("WMCreateBackupRestorer", ctypes.CDLL(library)))
    created = c_void_p()
    check(create(None, created))
    # One object; its other interfaces come by QueryInterface.
    backup = Interface(created)
    restore, properties = backup.query(LICENSE_RESTORE), backup.query(PROPERTIES)
    for name, value in [("BackupPath", folder), ("RestorePath", folder), *(word.split("=", 1) for word in further)]:
        set_property(properties, name, value)

    callback = Callback()
    commands = {
        "b": (backup, 0),
        "o": (backup, OVERWRITE),
        "r": (restore, 0),
        "y": (restore, INDIVIDUALIZE),
    }
    for line in map(str.strip, sys.stdin):
        if line == "q":
            break
        if line == "c":  # cancels what runs of each kind; the END says that it is canceled
            backup.call(4)
            restore.call(4)
        elif line in commands:
            interface, flags = commands[line]
            hr = interface.call(3, (c_uint32, c_void_p), flags, callback.pointer)
            if hr != S_OK:
                tell(f"not begun: {hr:08X}")
    callback.wait()
    for interface in (properties, restore, backup):
        interface.release()


main(sys.argv[1:])
