"""Which partition of a hub an orchestration or entity belongs to."""

from zlib import crc32

PARTITIONS = 32
"""How many a hub gets unless told otherwise."""


def partition_of(actor_id: str, partitions: int) -> int:
    """The partition, the same in every process and for ever: ids hash by CRC-32 of their UTF-8."""
    return crc32(actor_id.encode(errors="surrogatepass")) % partitions
