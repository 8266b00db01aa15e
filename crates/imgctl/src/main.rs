//! The imgctl command.

fn main() {}
