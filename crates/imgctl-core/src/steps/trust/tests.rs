//! Stores of every family: what is put there, in what form, and twice.

use super::{Authorities, SPEC};
use crate::guest::Guest;
use crate::steps::Step;
use crate::testing::{NOW, edited, empty, guest, mode, text};
use imgctl_recipe::{Authority, Origin, Sourced, certificates};

const CA: &str = include_str!("../../../tests/trust/ca.pem");
const LEAF: &str = include_str!("../../../tests/trust/leaf.pem");
const CONF: &str = "/etc/ca-certificates.conf|# c\n\nm/One.crt\n!m/Gone.crt\nm/missing.crt\n";
const DEBIAN: [&str; 4] = [
    "/etc/os-release|ID=debian\n",
    "/usr/sbin/update-ca-certificates 0755|#!/bin/sh\n",
    "/etc/ssl/certs/",
    CONF,
];

fn step(texts: &[(&str, &str)]) -> Authorities {
    let authority = |(name, text): &(&str, &str)| Sourced {
        value: Authority {
            name: (*name).to_owned(),
            certificates: certificates(text.as_bytes()).unwrap(),
            sensitive: false,
        },
        origin: Origin {
            file: "r.yaml".into(),
            line: 1,
            column: 1,
            key: "trust.ca[0]".to_owned(),
        },
    };
    Authorities {
        authorities: texts.iter().map(authority).collect(),
    }
}

fn run_twice(guest: &mut Guest, step: &Authorities) -> Vec<String> {
    let changes = edited(guest, |guest| step.apply(guest).unwrap());
    let tree = std::mem::replace(guest, empty()).into_parts().0;
    *guest = Guest::new(tree, NOW);
    step.apply(guest).unwrap();
    assert!(guest.log().is_empty(), "the step is not at rest");
    changes
}

fn link(guest: &Guest, path: &str) -> String {
    let target = guest.read_link(&crate::testing::path(path)).unwrap();
    target.map_or("-".to_owned(), |target| String::from_utf8(target).unwrap())
}

#[test]
fn debians_store_gets_links_hashes_and_a_bundle() {
    let one = format!("/usr/share/ca-certificates/m/One.crt|{}", LEAF.trim_end());
    let mut debian = guest(
        &[
            &DEBIAN[..],
            &[&one, "/etc/ssl/certs/Gone.pem -> /nowhere", "/etc/ssl/certs/old -> /x"],
        ]
        .concat(),
    );
    run_twice(&mut debian, &step(&[("my ca,(1)", &format!("{CA}{LEAF}"))]));
    assert_eq!(text(&debian, "/usr/local/share/ca-certificates/my ca,(1).crt"), CA);
    assert_eq!(text(&debian, "/usr/local/share/ca-certificates/my ca,(1)-2.crt"), LEAF);
    assert_eq!(
        link(&debian, "/etc/ssl/certs/my_ca_=1=.pem"),
        "/usr/local/share/ca-certificates/my ca,(1).crt"
    );
    assert_eq!(link(&debian, "/etc/ssl/certs/6d00b01b.0"), "my_ca_=1=.pem");
    // The leaf is there twice: the first file's name counts.
    let hash = certificates(LEAF.as_bytes()).unwrap()[0].subject_hash;
    assert_eq!(link(&debian, &format!("/etc/ssl/certs/{hash:08x}.0")), "One.pem");
    assert_eq!(link(&debian, &format!("/etc/ssl/certs/{hash:08x}.1")), "-");
    for gone in ["/etc/ssl/certs/Gone.pem", "/etc/ssl/certs/old"] {
        assert_eq!(link(&debian, gone), "-", "{gone}");
    }
    // As sort(1) has them: `)` before `-`.
    let bundle = text(&debian, "/etc/ssl/certs/ca-certificates.crt");
    assert_eq!(bundle, format!("{LEAF}{LEAF}{CA}"));
    assert!(
        debian
            .warnings()
            .iter()
            .any(|warning| warning.message.contains("m/missing.crt"))
    );
}

#[test]
fn hooks_are_told_of() {
    let hook = "/etc/ca-certificates/update.d/jks-keystore 0755|#!/bin/sh\n";
    let mut debian = guest(&[&DEBIAN[..], &[hook]].concat());
    step(&[("a", CA)]).apply(&mut debian).unwrap();
    assert!(
        debian
            .warnings()
            .iter()
            .any(|warning| warning.message.contains("jks-keystore is not run"))
    );
    let mut bare = guest(&DEBIAN[..1]);
    run_twice(&mut bare, &step(&[("a", CA)]));
    assert!(
        bare.warnings()[0]
            .message
            .contains("the package ca-certificates is not installed")
    );
}

#[test]
fn stores_of_the_other_families() {
    let unit = "/etc/systemd/system/imgctl-trust.service";
    for (id, program, bundle, anchor) in [
        (
            "rocky",
            "/usr/bin/update-ca-trust",
            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            "/etc/pki/ca-trust/source/anchors/company.pem",
        ),
        (
            "opensuse-leap",
            "/usr/sbin/update-ca-certificates",
            "/var/lib/ca-certificates/ca-bundle.pem",
            "/etc/pki/trust/anchors/company.pem",
        ),
        (
            "arch",
            "/usr/bin/update-ca-trust",
            "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
            "/etc/ca-certificates/trust-source/anchors/company.crt",
        ),
    ] {
        let entries = [
            format!("/etc/os-release|ID={id}\n"),
            format!("{program} 0755|x"),
            format!("{bundle} 0444|# old\n{LEAF}"),
            "/etc/systemd/system/".to_owned(),
        ];
        let mut with = guest(&entries.iter().map(String::as_str).collect::<Vec<_>>());
        run_twice(&mut with, &step(&[("company", CA)]));
        assert_eq!(text(&with, anchor), CA);
        assert_eq!(text(&with, bundle), format!("# old\n{LEAF}\n# Example  Root CA\n{CA}"));
        assert_eq!(mode(&with, bundle), "0444 0:0");
        assert!(text(&with, unit).contains(&format!("ExecStart={program}\n")));
        assert_eq!(
            link(
                &with,
                "/etc/systemd/system/multi-user.target.wants/imgctl-trust.service"
            ),
            unit
        );

        let mut without = guest(&[&entries[0]]);
        step(&[("company", CA)]).apply(&mut without).unwrap();
        assert!(
            without.warnings()[0].message.contains(program),
            "{:?}",
            without.warnings()
        );
    }
    let mut alpine = guest(&[&["/etc/os-release|ID=alpine\n"], &DEBIAN[1..]].concat());
    run_twice(&mut alpine, &step(&[("company", CA)]));
    assert_eq!(
        link(&alpine, "/etc/ssl/certs/ca-cert-company.pem"),
        "/usr/local/share/ca-certificates/company.crt"
    );
    assert_eq!(link(&alpine, "/etc/ssl/certs/6d00b01b.0"), "ca-cert-company.pem");
    let mut unknown = guest(&["/etc/os-release|ID=haiku\n"]);
    let error = step(&[("company", CA)]).apply(&mut unknown).unwrap_err();
    assert_eq!((error.step(), error.hint().is_some()), (SPEC.name, true));
}

#[test]
fn expired_certificates_are_told_of() {
    let mut debian = guest(&DEBIAN);
    let mut expired = step(&[("a", CA)]);
    expired.authorities[0].value.certificates[0].not_after = NOW.seconds - 1;
    expired.apply(&mut debian).unwrap();
    assert!(
        debian
            .warnings()
            .iter()
            .any(|warning| warning.message.ends_with("in a has expired"))
    );
}
