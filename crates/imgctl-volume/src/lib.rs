//! Partition tables: GPT, MBR and bare filesystems as byte ranges.
