"""Records: what a measurement returned, stored once under the digest of everything that determined it."""

from softmode.records.claims import claim_folder
from softmode.records.headers import Header, HeaderCache
from softmode.records.packing import Packed, pack_records, unpack_records
from softmode.records.record import LACKED_MEMORY, Arrays, Failure, Record, digest_of
from softmode.records.record_file import RecordFile, open_record, record_holder, record_stamp
from softmode.records.store import JoinedStores, Partial, RecordStore

__all__ = [
    "LACKED_MEMORY",
    "Arrays",
    "Failure",
    "Header",
    "HeaderCache",
    "JoinedStores",
    "Packed",
    "Partial",
    "Record",
    "RecordFile",
    "RecordStore",
    "claim_folder",
    "digest_of",
    "open_record",
    "pack_records",
    "record_holder",
    "record_stamp",
    "unpack_records",
]
