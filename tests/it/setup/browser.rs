//! A person with a browser: pages are opened, forms are read and sent.

use regex::Regex;
use url::Url;

/// A page as it came.
pub(crate) struct Page {
    url: Url,
    pub(crate) status: u16,
    pub(crate) html: String,
    /// Where it sends the browser on to.
    pub(crate) location: Option<String>,
}

pub(crate) struct Browser(reqwest::Client);

impl Default for Browser {
    fn default() -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self(client.user_agent("a browser").build().unwrap())
    }
}

impl Browser {
    pub(crate) async fn get(&self, url: &str) -> Page {
        self.open(self.0.get(url)).await
    }

    pub(crate) async fn post(&self, url: &str, fields: &[(String, String)]) -> Page {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let request = self.0.post(url).header("content-type", "application/x-www-form-urlencoded");
        self.open(if fields.is_empty() { self.0.post(url) } else { request.body(form.finish()) }).await
    }

    /// Presses the button of the page's form, with some fields changed.
    pub(crate) async fn submit(&self, page: &Page, changes: &[(&str, &str)]) -> Page {
        let action = attribute(&page.html, r#"<form method="post" action="([^"]*)""#);
        let field = Regex::new(r#"<input [^>]*name="([^"]*)" value="([^"]*)""#).unwrap();
        let mut fields: Vec<(String, String)> =
            field.captures_iter(&page.html).map(|found| (found[1].to_owned(), plain(&found[2]))).collect();
        for (name, value) in changes {
            fields.retain(|(field, _)| field != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.post(page.url.join(&action).unwrap().as_str(), &fields).await
    }

    /// From the page of setup through GitHub's form; gives the address that GitHub sends the browser back to.
    pub(crate) async fn go_to_github(&self, url: &str) -> String {
        let form = self.get(url).await;
        assert_eq!(form.status, 200, "{}", form.html);
        let consent = self.submit(&form, &[]).await;
        assert_eq!(consent.status, 200, "{}", consent.html);
        let back = self.submit(&consent, &[]).await;
        assert_eq!(back.status, 302, "{}", back.html);
        back.location.unwrap()
    }

    /// All of it, to the last page.
    pub(crate) async fn consent(&self, url: &str) -> Page {
        let back = self.go_to_github(url).await;
        self.get(&back).await
    }

    async fn open(&self, request: reqwest::RequestBuilder) -> Page {
        let answer = request.send().await.unwrap();
        let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        let (url, status) = (answer.url().clone(), answer.status().as_u16());
        Page { url, status, html: answer.text().await.unwrap(), location }
    }
}

fn attribute(html: &str, pattern: &str) -> String {
    let found = Regex::new(pattern).unwrap().captures(html).map(|found| plain(&found[1]));
    found.unwrap_or_else(|| panic!("no {pattern} in {html}"))
}

/// Text of an attribute.
fn plain(escaped: &str) -> String {
    let entities = [("quot", "34", '"'), ("lt", "60", '<'), ("gt", "62", '>'), ("#39", "39", '\''), ("amp", "38", '&')];
    entities.iter().fold(escaped.to_owned(), |text, (name, number, character)| {
        text.replace(&format!("&{name};"), &character.to_string())
            .replace(&format!("&#{number};"), &character.to_string())
    })
}
