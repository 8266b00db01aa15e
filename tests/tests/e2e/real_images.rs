//! The proof on each fixture.

use anyhow::Result;
use imgctl_testkit::fixture;

use crate::golden;
use crate::journey::Journey;

#[test]
fn mini() -> Result<()> {
    prove("mini")
}

#[test]
fn debian13() -> Result<()> {
    prove("debian13")
}

#[test]
fn debian12() -> Result<()> {
    prove("debian12")
}

#[test]
fn ubuntu_like() -> Result<()> {
    prove("ubuntu-like")
}

fn prove(name: &str) -> Result<()> {
    if !imgctl_testkit::root_or_skip(name) || !fixture::is_wanted(name) {
        return Ok(());
    }
    let (base, raw) = (fixture::image(name)?, fixture::raw(name)?);
    let journey = Journey::new(&base, &raw, golden::RECIPE, &golden::FILES)?;
    journey.prove(&golden::expected(&journey)?, &golden::secrets(&journey))
}
