//! Orders of versions against dpkg, rpm and vercmp.

use imgctl_package::Manager;
use imgctl_testkit::oracle;
use imgctl_testkit::tier::Random;
use std::cmp::Ordering;

/// Versions that have tripped someone.
const KNOWN: &[(&str, &str)] = &[
    ("1.0", "1.0"),
    ("1.0", "2.0"),
    ("2.0.1", "2.0.1a"),
    ("5.5p1", "5.5p10"),
    ("10xyz", "10.1xyz"),
    ("xyz.4", "8"),
    ("xyz.4", "2"),
    ("5.5p2", "5.6p1"),
    ("6.0.rc1", "6.0"),
    ("10b2", "10a1"),
    ("1.0aa", "1.0a"),
    ("10.0001", "10.0039"),
    ("4.999.9", "5.0"),
    ("20101121", "20101122"),
    ("2_0", "2.0"),
    ("a+", "a_"),
    ("+a", "_a"),
    ("1.0~rc1", "1.0"),
    ("1.0~rc1", "1.0~rc2"),
    ("1.0~rc1~git123", "1.0~rc1"),
    ("1.0^", "1.0"),
    ("1.0^git1", "1.0.1"),
    ("1.0^20160101", "1.0.1"),
    ("1.0~rc1^git1", "1.0~rc1"),
    ("1.0^git1~pre", "1.0^git1"),
    ("1.0.", "1.0"),
    ("1..0", "1.0"),
    ("0001", "1"),
    ("99999999999999999999999", "100000000000000000000000"),
];

fn random(chance: &mut Random, pieces: &[&str]) -> String {
    let count = 1 + chance.below(6);
    (0..count).map(|_| *chance.pick(pieces)).collect()
}

/// Random versions that are often nearly the same.
fn pairs(pieces: &[&str], count: usize) -> Vec<(String, String)> {
    let mut chance = Random::new(7);
    let mut pairs: Vec<(String, String)> = Vec::new();
    while pairs.len() < count {
        let start = random(&mut chance, pieces);
        let mut ending = || match chance.below(3) {
            0 => String::new(),
            _ => random(&mut chance, pieces),
        };
        pairs.push((format!("1{start}{}", ending()), format!("1{start}{}", ending())));
    }
    pairs
}

fn known() -> Vec<(String, String)> {
    let owned = |(left, right): &(&str, &str)| ((*left).to_owned(), (*right).to_owned());
    KNOWN.iter().map(owned).collect()
}

fn check(manager: Manager, left: &str, right: &str, expected: Ordering) {
    assert_eq!(manager.compare_versions(left, right), expected, "{left} {right}");
    assert_eq!(
        manager.compare_versions(right, left),
        expected.reverse(),
        "{right} {left}"
    );
}

#[test]
fn as_dpkg() {
    let is = |left: &str, relation: &str, right: &str| {
        let output = oracle::output("dpkg", ["--compare-versions", left, relation, right]).unwrap();
        output.status.success()
    };
    let pieces = [
        "0", "1", "9", "10", "007", "a", "b", "Z", ".", "~", "+", "-", "~~", "rc",
    ];
    let mut pairs = pairs(&pieces, 300);
    let with_epochs = [
        ("1:1.0", "2.0"),
        ("0:1.0", "1.0"),
        ("1.0-0", "1.0"),
        ("2:1-1", "10:1-1"),
        ("1.0", "1.0-1"),
    ];
    pairs.extend(with_epochs.map(|(left, right)| (left.to_owned(), right.to_owned())));
    let is_dpkgs = |(left, right): &(String, String)| !left.contains(['_', '^']) && !right.contains(['_', '^']);
    // A revision that is there must not be empty.
    pairs.retain(|(left, right)| !left.ends_with('-') && !right.ends_with('-'));
    for (left, right) in pairs.iter().chain(known().iter().filter(|pair| is_dpkgs(pair))) {
        let expected = match () {
            () if is(left, "lt", right) => Ordering::Less,
            () if is(left, "gt", right) => Ordering::Greater,
            () => Ordering::Equal,
        };
        check(Manager::Dpkg, left, right, expected);
    }
}

#[test]
fn as_rpm() {
    let pieces = [
        "0", "1", "9", "10", "007", "a", "b", "Z", ".", "~", "^", "_", "+", "~~", "rc",
    ];
    let mut pairs = pairs(&pieces, 3000);
    pairs.extend(known());
    let with_epochs = [
        ("1:1.0", "2.0"),
        ("0:1.0", "1.0"),
        ("2:1-1", "10:1-1"),
        ("1.0-1", "1.0-1.el9"),
        ("1-2~a", "1-2"),
    ];
    pairs.extend(with_epochs.map(|(left, right)| (left.to_owned(), right.to_owned())));
    for chunk in pairs.chunks(200) {
        let calls = chunk
            .iter()
            .map(|(left, right)| format!("print(rpm.vercmp('{left}','{right}'),'') "));
        let script = format!("%{{lua: {}}}", calls.collect::<String>());
        let printed = oracle::run("rpm", ["--eval", &script]).unwrap();
        let results: Vec<&str> = printed.split_whitespace().collect();
        assert_eq!(results.len(), chunk.len(), "{printed}");
        for ((left, right), result) in chunk.iter().zip(results) {
            let expected = result.parse::<i32>().unwrap().cmp(&0);
            check(Manager::Rpm, left, right, expected);
        }
    }
    // A release that is not named is not compared.
    check(Manager::Rpm, "1.0", "1.0-3.el9", Ordering::Equal);
    check(Manager::Rpm, "1.0", "1.1-3.el9", Ordering::Less);
}

#[test]
fn as_pacman() {
    let pieces = ["0", "1", "9", "10", "007", "a", "b", ".", "..", "_", "+", "rc", "-"];
    let mut pairs = pairs(&pieces, 300);
    let with_epochs = [
        ("1:1.0", "2.0"),
        ("0:1.0", "1.0"),
        ("1.0-1", "1.0"),
        ("1.0-1", "1.0-2"),
        ("1.0rc", "1.0"),
    ];
    pairs.extend(with_epochs.map(|(left, right)| (left.to_owned(), right.to_owned())));
    for (left, right) in &pairs {
        let printed = oracle::run("vercmp", [left, right]).unwrap();
        let expected = printed.trim().parse::<i32>().unwrap().cmp(&0);
        check(Manager::Pacman, left, right, expected);
    }
}
