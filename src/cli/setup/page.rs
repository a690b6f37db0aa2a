//! The pages that setup shows: the form that sends the manifest to GitHub, and how it ended.

use askama::Template;

/// The form. It is sent by itself, or by its button where scripts are off.
#[derive(Template)]
#[template(path = "setup_ask.html")]
pub(super) struct Ask<'a> {
    /// Where it is sent.
    pub(super) action: &'a str,
    /// Host of that address.
    pub(super) host: &'a str,
    /// The manifest as JSON.
    pub(super) manifest: &'a str,
    /// Name of the App.
    pub(super) name: &'a str,
    /// Who shall own it.
    pub(super) owner: &'a str,
    /// Where webhooks go.
    pub(super) hook: &'a str,
    /// Permissions: name, access, purpose.
    pub(super) permissions: &'static [crate::github::Permission],
}

/// The App stands.
#[derive(Clone, Debug, Template)]
#[template(path = "setup_made.html")]
pub(super) struct Made {
    /// Its name in addresses.
    pub(super) slug: String,
    /// Its page.
    pub(super) page: Option<String>,
    /// Where it is installed.
    pub(super) install: Option<String>,
}

/// It did not go well.
#[derive(Template)]
#[template(path = "setup_failed.html")]
pub(super) struct Failed<'a> {
    /// What went wrong.
    pub(super) why: &'a str,
    /// The way out.
    pub(super) hint: &'a str,
}
