//! The judges themselves: they pass an image that only the kernel has written to, and refuse what is wrong.

use anyhow::{Context as _, Result};
use imgctl_testkit::fixture;
use imgctl_testkit::secret::Secrets;
use imgctl_testkit::tree::Tree;

use crate::golden;
use crate::guest_disk::GuestDisk;
use crate::journey::{Journey, files_below};
use crate::{kernel, second_reader};

/// A copy of the mini image's raw form that may be written to.
fn copy_of_mini() -> Result<(tempfile::TempDir, GuestDisk)> {
    let folder = tempfile::tempdir()?;
    let raw = folder.path().join("mini.raw");
    imgctl_testkit::oracle::qemu_convert(&fixture::mini(), &raw, "raw")?;
    let disk = GuestDisk::open(&raw)?;
    Ok((folder, disk))
}

#[test]
fn they_pass_an_untouched_image() -> Result<()> {
    if !imgctl_testkit::root_or_skip("they_pass_an_untouched_image") {
        return Ok(());
    }
    let (_folder, disk) = copy_of_mini()?;
    disk.check()?;
    let tree = disk.tree()?;
    let everything = Tree::default().difference(&tree);
    assert!(everything.len() > 600, "{} entries", everything.len());
    let read = second_reader::check(&disk, &everything)?;
    assert!(read > 600, "{read} entries");
    kernel::go_on_writing(&disk, &tree, &everything)
}

#[test]
fn the_expected_tree_of_the_recipe_differs_from_the_base() -> Result<()> {
    if !imgctl_testkit::root_or_skip("the_expected_tree_of_the_recipe_differs_from_the_base") {
        return Ok(());
    }
    let journey = Journey::new(&fixture::mini(), &fixture::raw("mini")?, golden::RECIPE, &golden::FILES)?;
    let expected = golden::expected(&journey)?;
    let differences = journey.before.difference(&expected.tree);
    let change = |path: &str| differences.iter().find(|difference| difference.path == path.as_bytes());
    assert_eq!(
        change("/etc/shadow").context("no change of /etc/shadow")?.fields(),
        ["mode"]
    );
    // Its other name was removed.
    assert_eq!(
        change("/opt/fixture/second-name")
            .context("no change of second-name")?
            .fields(),
        ["links", "same_as"]
    );
    assert!(change("/etc/hosts").is_some() && change("/etc/passwd").is_none());
    Ok(())
}

#[test]
fn the_search_sees_every_secret_of_the_base() -> Result<()> {
    if !imgctl_testkit::root_or_skip("the_search_sees_every_secret_of_the_base") {
        return Ok(());
    }
    let (_folder, disk) = copy_of_mini()?;
    let tree = disk.tree()?;
    let paths = files_below(&tree, &["/opt/fixture/planted-secret", "/var/log/journal/"]);
    let names: Vec<&str> = paths.iter().map(String::as_str).collect();
    let mut secrets = Secrets::default();
    for (path, content) in names.iter().zip(disk.read(&names)?) {
        secrets.add(path, &content.context("unreadable")?);
    }
    let found = secrets.find_in_file(&disk.raw)?;
    assert_eq!(found.len(), secrets.len(), "each piece is there once");
    assert_eq!(names.len(), 3);
    Ok(())
}

#[test]
fn they_refuse_a_tree_that_is_not_the_expected_one() -> Result<()> {
    if !imgctl_testkit::root_or_skip("they_refuse_a_tree_that_is_not_the_expected_one") {
        return Ok(());
    }
    let journey = Journey::new(&fixture::mini(), &fixture::raw("mini")?, golden::RECIPE, &golden::FILES)?;
    let mut expected = golden::expected(&journey)?;
    expected.mode("/etc/motd", 0o600);
    let error = journey
        .prove(&expected, &golden::secrets(&journey))
        .err()
        .context("a wrong mode passed")?;
    let told = format!("{error:#}");
    assert!(told.contains("~ /etc/motd: mode 0600 -> 0644;\n"), "{told}");
    Ok(())
}

#[test]
fn they_refuse_bytes_that_are_still_there() -> Result<()> {
    if !imgctl_testkit::root_or_skip("they_refuse_bytes_that_are_still_there") {
        return Ok(());
    }
    let journey = Journey::new(&fixture::mini(), &fixture::raw("mini")?, golden::RECIPE, &golden::FILES)?;
    // Kernels are full of unique bytes, and no reset removes them.
    let kept = files_below(&journey.before, &["/boot/vmlinuz-"]);
    let error = journey
        .prove(&golden::expected(&journey)?, &kept)
        .err()
        .context("bytes that are there passed")?;
    assert!(
        format!("{error:#}").contains("bytes of deleted files are in the output"),
        "{error:#}"
    );
    Ok(())
}
