//! The library from outside, judged by the programs it stands in for.

mod systemctl;
