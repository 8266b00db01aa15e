//! `trust`: certificate authorities.

use super::{Key, Rule, Shape, Table};
use crate::kinds;

pub(super) static TRUST: Table = Table {
    path: "trust",
    what: "a mapping like `{ ca: [{ source: files/company-ca.pem }] }`",
    about: "Certificates that the guest's programs trust from then on.",
    example: "trust: { ca: [{ name: company, source: files/company-ca.pem }] }\n",
    rules: &[],
    keys: &[Key::new(
        "ca",
        Shape::List(&Shape::Table(&CA)),
        "[{ source: files/company-ca.pem }]",
        "Certificate authorities to add.",
    )
    .required()
    .also(&["cas", "certificates", "ca_certs", "trusted"])],
};

static CA: Table = Table {
    path: "trust.ca[]",
    what: "a mapping like `{ source: files/company-ca.pem }`",
    about: "One or more certificates in PEM form, from one place.",
    example: "\
trust:
  ca:
    - { name: company, source: files/company-ca.pem }
",
    rules: &[Rule::One(&["source", "secret", "content"])],
    keys: &[
        Key::new(
            "name",
            Shape::Text(&kinds::DROP_IN),
            "company",
            "The name of the file in the guest, without its ending.",
        )
        .default("that of the local file or secret, else `imgctl-N`"),
        Key::new(
            "source",
            Shape::Text(&kinds::HOST_PATH),
            "files/company-ca.pem",
            "A local file, relative to the recipe's folder.",
        )
        .also(&["file", "path", "src"]),
        Key::new(
            "secret",
            Shape::Text(&kinds::VARIABLE_NAME),
            "private_ca",
            "The name of a secret that holds them.",
        ),
        Key::new(
            "content",
            Shape::Text(&kinds::CERTIFICATE),
            "\"-----BEGIN CERTIFICATE-----\\nMIIB…\\n-----END CERTIFICATE-----\\n\"",
            "The text itself.",
        )
        .also(&["pem", "inline", "text"]),
        Key::when(),
    ],
};
