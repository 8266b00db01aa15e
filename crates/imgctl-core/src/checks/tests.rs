//! Every check passes on a suitable guest and fails after one edit.
