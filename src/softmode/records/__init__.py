"""Records: what a measurement returned, stored once under the digest of everything that determined it."""

from softmode.records.claims import claim_folder
from softmode.records.headers import Header, HeaderCache
from softmode.records.record import LACKED_MEMORY, Arrays, Failure, Record, digest_of
from softmode.records.store import JoinedStores, Partial, RecordFile, RecordStore, open_record

__all__ = [
    "LACKED_MEMORY",
    "Arrays",
    "Failure",
    "Header",
    "HeaderCache",
    "JoinedStores",
    "Partial",
    "Record",
    "RecordFile",
    "RecordStore",
    "claim_folder",
    "digest_of",
    "open_record",
]
