//! `cargo xtask fixtures`: the real disk images, built or found in the cache.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use imgctl_testkit::fixture;

use crate::say;

/// Builds the fixtures with these names, or all.
pub(crate) fn build(names: &[String]) -> Result<ExitCode> {
    let all = fixture::BUILT.map(str::to_owned);
    let names = if names.is_empty() { &all[..] } else { names };
    for name in names {
        say(&format!("fixture {name}: building, unless it is up to date"));
        let started = Instant::now();
        let image = fixture::built(name)?;
        let megabytes = image.metadata()?.len() >> 20;
        say(&format!(
            "fixture {name}: {} ({megabytes} MiB, {} s)",
            image.display(),
            started.elapsed().as_secs()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
