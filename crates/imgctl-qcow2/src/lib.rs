//! A reader and a compressed writer for qcow2 disk images.
