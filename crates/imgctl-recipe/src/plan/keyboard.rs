//! `keyboard`: names of xkb.

/// A keyboard, in the words of xkeyboard-config(7).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Keyboard {
    /// The layout, like `de`; several have commas.
    pub layout: String,
    /// The model; `None`: that of the guest, else `pc105`.
    pub model: Option<String>,
    /// The variant; `None`: none.
    pub variant: Option<String>,
    /// Options, in order.
    pub options: Vec<String>,
}
