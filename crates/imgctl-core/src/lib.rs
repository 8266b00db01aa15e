//! Opens a disk image, changes the guest inside and packs a new image.

pub mod guest;
#[cfg(test)]
mod testing;
