//! The whole command on whole disk images, judged by other programs.

mod bad_input;
mod expected;
mod formats;
mod golden;
mod guest_disk;
mod hostile_paths;
mod journey;
mod judges;
mod kernel;
mod real_images;
mod receipt;
mod reset;
mod second_reader;
