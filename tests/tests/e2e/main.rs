//! The whole command on whole disk images, judged by other programs.

mod expected;
mod golden;
mod guest_disk;
mod journey;
mod kernel;
mod real_images;
mod receipt;
mod reset;
mod second_reader;
