//! Opens a disk image, changes the guest inside and packs a new image.

pub mod guest;
pub mod steps;
#[cfg(test)]
mod testing;
