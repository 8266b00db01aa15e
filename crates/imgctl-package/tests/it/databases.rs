//! dpkg, apk and pacman; which database counts.

use super::{guest, put};
use imgctl_package::{Database, Manager, Package, PackageState};
use imgctl_testkit::fixture;
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::oracle;
use std::fs;

fn read(root: &std::path::Path) -> Option<Database> {
    Database::read(&guest(root)).unwrap()
}

fn told(packages: &[Package]) -> Vec<String> {
    let line = |package: &Package| {
        let architecture = package.architecture.as_deref().unwrap_or("-");
        format!(
            "{} {} {architecture} {}",
            package.name,
            package.version,
            package.state.name()
        )
    };
    packages.iter().map(line).collect()
}

#[test]
fn the_list_is_that_of_dpkg_query() {
    if !imgctl_testkit::root_or_skip("the_list_is_that_of_dpkg_query") || !fixture::is_wanted("debian13") {
        return;
    }
    let raw = fixture::raw("debian13").unwrap();
    let mount = Mount::new(&raw, oracle::partition(&raw, 1).unwrap(), Access::ReadOnly).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let admin = folder.path().join("var/lib/dpkg");
    fs::create_dir_all(admin.join("updates")).unwrap();
    let status = fs::read(mount.path().join("var/lib/dpkg/status")).unwrap();
    // Every state, a second architecture, and a journal.
    let stanza = |name: &str, architecture: &str, state: &str, version: &str| {
        format!(
            "Package: {name}\nStatus: {state}\nPriority: optional\nSection: admin\nInstalled-Size: 7\n\
             Maintainer: A <a@example.org>\nArchitecture: {architecture}\nMulti-Arch: same\nVersion: {version}\n\
             Description: x\n y\n\n"
        )
    };
    let mut text = status;
    text.extend(stanza("zz-config", "amd64", "deinstall ok config-files", "1:1.0-1").into_bytes());
    text.extend(stanza("zz-unpacked", "amd64", "install ok unpacked", "2.0~rc1").into_bytes());
    text.extend(stanza("zz-half", "amd64", "install reinstreq half-installed", "3").into_bytes());
    text.extend(stanza("zz-multi", "amd64", "install ok installed", "4").into_bytes());
    text.extend(stanza("zz-multi", "i386", "hold ok installed", "4").into_bytes());
    fs::write(admin.join("status"), text).unwrap();
    let update = stanza("zz-unpacked", "amd64", "install ok installed", "2.0").into_bytes();
    fs::write(admin.join("updates/0001"), update).unwrap();
    let format = "${Package} ${Version} ${Architecture} ${db:Status-Status} ${Installed-Size}\n";
    let printed = oracle::run(
        "dpkg-query",
        [
            &format!("--admindir={}", admin.display()),
            "-W",
            &format!("-f={format}"),
        ],
    );
    let mut expected: Vec<String> = printed.unwrap().lines().map(str::to_owned).collect();
    expected.sort();
    let database = read(folder.path()).unwrap();
    let state = |package: &Package| match package.state {
        PackageState::Installed => "installed",
        PackageState::Unpacked => "unpacked",
        PackageState::Broken => "half-installed",
        _ => "config-files",
    };
    let mut found: Vec<String> = database
        .packages
        .iter()
        .map(|package| {
            let size = package
                .installed_bytes
                .map(|bytes| (bytes / 1024).to_string())
                .unwrap_or_default();
            let architecture = package.architecture.as_deref().unwrap_or_default();
            format!(
                "{} {} {architecture} {} {size}",
                package.name,
                package.version,
                state(package)
            )
        })
        .collect();
    found.sort();
    assert!(found.len() > 250, "{}", found.len());
    assert_eq!(found, expected);
    assert_eq!(database.find("zz-multi").len(), 2);
    assert_eq!(
        told(&[database.find("zz-multi:i386")[0].clone()]),
        ["zz-multi 4 i386 installed"]
    );
    assert_eq!(database.installed(), database.packages.len() - 1);
}

#[test]
fn distroless_images_have_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(
        root,
        "/var/lib/dpkg/status.d/base-files",
        b"Package: base-files\nVersion: 12\nArchitecture: amd64\n",
    );
    put(root, "/var/lib/dpkg/status.d/base-files.md5sums", b"Package: no\n");
    put(
        root,
        "/var/lib/dpkg/status.d/tzdata",
        b"Package: tzdata\nVersion: 2025b-4\nArchitecture: all\n",
    );
    let database = read(root).unwrap();
    assert_eq!(database.manager, Manager::Dpkg);
    assert_eq!(
        told(&database.packages),
        ["base-files 12 amd64 installed", "tzdata 2025b-4 all installed"]
    );
}

#[test]
fn apk_lists_stanzas_of_letters() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"C:Q1abc=\nP:musl\nV:1.2.5-r9\nA:x86_64\nS:400000\nI:667648\nT:the musl c library\nF:lib\nR:libc.so\na:0:0:777\n\n\
                 C:Q1\nP:busybox\nV:1.37.0-r12\nA:x86_64\np:cmd:sh=1\nI:1\n\n";
    put(folder.path(), "/lib/apk/db/installed", text);
    let database = read(folder.path()).unwrap();
    assert_eq!(database.manager, Manager::Apk);
    let told = told(&database.packages);
    assert_eq!(
        told,
        ["busybox 1.37.0-r12 x86_64 installed", "musl 1.2.5-r9 x86_64 installed"]
    );
    assert_eq!(database.find("musl")[0].installed_bytes, Some(667_648));
}

#[test]
fn pacman_has_a_folder_per_package() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        b"%NAME%\nbash\n\n%VERSION%\n5.2.037-5\n\n%ARCH%\nx86_64\n\n%INSTALLDATE%\n1750000000\n\n%SIZE%\n9700000\n\n";
    put(folder.path(), "/var/lib/pacman/local/bash-5.2.037-5/desc", text);
    put(folder.path(), "/var/lib/pacman/local/ALPM_DB_VERSION", b"9\n");
    let database = read(folder.path()).unwrap();
    assert_eq!(database.manager, Manager::Pacman);
    assert_eq!(told(&database.packages), ["bash 5.2.037-5 x86_64 installed"]);
    let bash = database.find("bash")[0];
    assert_eq!(
        (bash.installed_at, bash.installed_bytes),
        (Some(1_750_000_000), Some(9_700_000))
    );
}

#[test]
fn an_empty_second_database_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "/var/lib/dpkg/status", b"");
    assert_eq!(read(folder.path()).unwrap().manager, Manager::Dpkg);
    put(folder.path(), "/lib/apk/db/installed", b"P:musl\nV:1\n");
    assert_eq!(read(folder.path()).unwrap().manager, Manager::Apk);
}
