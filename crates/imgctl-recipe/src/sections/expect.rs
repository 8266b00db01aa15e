//! `expect`: what the base must be.

use super::Context;
use crate::fields::Fields;
use crate::plan::{Expect, Sourced};

pub(super) fn expect(fields: &Fields<'_>, context: &mut Context<'_>) -> Option<Sourced<Expect>> {
    let (section, place) = fields.table("expect")?;
    let text = |key: &str| section.text(key).map(|(text, _)| text.to_owned());
    let texts = |key: &str| section.texts(key).map(|(text, _)| text.to_owned()).collect();
    let expect = Expect {
        os: text("os"),
        version: text("version"),
        arch: text("arch"),
        root_fs: texts("root_fs"),
        partition_table: text("partition_table"),
        mounts: texts("mounts"),
    };
    Some(context.sourced(expect, place))
}
