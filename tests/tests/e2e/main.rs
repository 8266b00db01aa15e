//! The whole command on whole disk images, judged by other programs.

mod bad_input;
mod checks;
mod damage;
mod engine_faults;
mod expected;
mod faults;
mod files;
mod formats;
mod golden;
mod guest_disk;
mod hostile_paths;
mod in_place;
mod interrupted;
mod journey;
mod judges;
mod kernel;
mod kill;
mod node_recipes;
mod populate;
mod programs;
mod real_images;
mod receipt;
mod reset;
mod scene;
mod second_reader;
mod twice;
