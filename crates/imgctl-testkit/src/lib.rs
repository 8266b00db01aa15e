//! Fixtures, oracles and tree comparison for the tests of this workspace.
