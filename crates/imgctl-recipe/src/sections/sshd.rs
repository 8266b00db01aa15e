//! `sshd`: settings of the SSH server, each once.

use std::collections::BTreeMap;

use super::Context;
use crate::fields::Fields;
use crate::finding::{Complaint, Place, quoted};
use crate::kinds::{Takes, sshd_keyword, sshd_value};
use crate::plan::{Sourced, Sshd, SshdSetting};
use crate::source_map::LineName;

pub(super) fn sshd(fields: &Fields<'_>, context: &mut Context<'_>) -> Sshd {
    let Some((section, _)) = fields.table("sshd") else {
        return Sshd::new();
    };
    let mut reading = Reading::default();
    if let Some((value, place)) = section.text("permit_root_login") {
        reading.add("PermitRootLogin", &[(value, place)], place, context);
    }
    if let (Some(allowed), Some(place)) = (
        section.boolean("password_authentication"),
        section.key_place("password_authentication"),
    ) {
        let value = if allowed { "yes" } else { "no" };
        reading.add("PasswordAuthentication", &[(value, place)], place, context);
        if !allowed {
            // PAM asks for passwords by this door, too.
            reading.add("KbdInteractiveAuthentication", &[(value, place)], place, context);
        }
    }
    for (name, value) in section.map("settings") {
        let values = value.texts();
        if !values.is_empty() {
            reading.add(name, &values, &value.place, context);
        }
    }
    reading.settings
}

#[derive(Default)]
struct Reading {
    settings: Sshd,
    seen: BTreeMap<&'static str, LineName>,
}

impl Reading {
    fn add(&mut self, name: &str, values: &[(&str, &Place)], place: &Place, context: &mut Context<'_>) {
        let Some((keyword, takes)) = sshd_keyword(name) else {
            return;
        };
        if let Some(first) = self.seen.insert(keyword, context.line(place)) {
            let message = format!("{} is set twice, first in line {first}", quoted(keyword));
            context.report(place, Complaint::error(message).hint("keep one of them"));
            return;
        }
        for (value, place) in values {
            if let Some(complaint) = sshd_value(takes, value) {
                context.report(place, complaint);
            }
        }
        if values.len() > 1 && takes != Takes::Texts {
            let message = format!("sshd takes only the first value of {}", quoted(keyword));
            context.report(place, Complaint::error(message).hint("write one value"));
        }
        let value = SshdSetting {
            keyword,
            values: values.iter().map(|(value, _)| (*value).to_owned()).collect(),
            is_list: takes == Takes::Texts,
        };
        self.settings.push(Sourced {
            origin: context.sourced((), place).origin,
            value,
        });
    }
}
