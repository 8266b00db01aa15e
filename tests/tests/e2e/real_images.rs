//! The proof on each fixture.

use imgctl_testkit::fixture;

use crate::golden;
use crate::journey::Journey;

#[test]
fn mini() {
    prove("mini");
}

#[test]
fn debian13() {
    prove("debian13");
}

#[test]
fn debian12() {
    prove("debian12");
}

#[test]
fn ubuntu_like() {
    prove("ubuntu-like");
}

fn prove(name: &str) {
    if !imgctl_testkit::root_or_skip(name) || !fixture::is_wanted(name) {
        return;
    }
    let base = fixture::image(name).unwrap();
    let raw = fixture::raw(name).unwrap();
    let journey = Journey::new(&base, &raw, golden::RECIPE, &golden::FILES).unwrap();
    let expected = golden::expected(&journey).unwrap();
    if let Err(error) = journey.prove(&expected, &golden::secrets(&journey)) {
        panic!("{name}: {error:?}");
    }
}
