//! Changes of programs become edits.
