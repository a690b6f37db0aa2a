//! Pages for eyes: the list of pull requests and a pull request's check runs, their Markdown rendered as GitHub does.
//! Nothing is loaded from elsewhere, and raw HTML in Markdown stays text.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use comrak::Options;
use serde_json::Value;

use super::checks::Run;
use super::pulls::{Pull, PullState};
use super::shapes::encode_path;
use super::state::{Repo, State};

/// Answers a request for a page.
pub(super) fn serve(state: &State, segments: &[String]) -> Response<Body> {
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let page = match path.as_slice() {
        [] => Some(index(state)),
        [owner, name] | [owner, name, "pulls"] => state.repo(&format!("{owner}/{name}")).map(|r| list(&[r])),
        [owner, name, "pull", n] | [owner, name, "pull", n, "checks"] => {
            let found = n.parse().ok().and_then(|n| state.pull(&format!("{owner}/{name}"), n));
            found.map(|(repo, pull)| checks(state, repo, pull))
        }
        [owner, name, "runs", id] => {
            let repo = state.repo(&format!("{owner}/{name}"));
            let run = id.parse().ok().and_then(|id: u64| state.runs.get(&id));
            repo.zip(run)
                .filter(|(repo, run)| run.repo == repo.id)
                .map(|(_, run)| document(&run.name, &format!("<main>{}</main>", check_run(state, run))))
        }
        _ => None,
    };
    let status = if page.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let html = page.unwrap_or_else(|| document("Not found", "<main><h1>There is nothing here</h1></main>"));
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

fn index(state: &State) -> String {
    let repos: Vec<&Repo> = state.repos.values().filter(|r| r.fork_of.is_none()).collect();
    list(&repos)
}

fn list(repos: &[&Repo]) -> String {
    let mut body = String::from("<main>");
    for repo in repos {
        body.push_str(&format!("<h1>{}</h1><ul class=\"pulls\">", escape(&repo.full_name())));
        for pull in repo.pulls.values().rev() {
            let (kind, word) = state_of(pull);
            body.push_str(&format!(
                "<li><span class=\"state {kind}\">{word}</span> <a href=\"/{}/pull/{}/checks\">{}</a> \
                 <small>#{} by {}</small></li>",
                encode_path(&repo.full_name()),
                pull.number,
                escape(&pull.title),
                pull.number,
                escape(&pull.author),
            ));
        }
        body.push_str("</ul>");
    }
    body.push_str("</main>");
    document("Pull requests", &body)
}

fn checks(state: &State, repo: &Repo, pull: &Pull) -> String {
    let (kind, word) = state_of(pull);
    let mut body = format!(
        "<header><a href=\"/\">{}</a><h1>{} <small>#{}</small></h1><p><span class=\"state {kind}\">{word}</span> \
         <b>{}</b> wants to merge <code>{}</code> into <code>{}</code></p></header><main>",
        escape(&repo.full_name()),
        escape(&pull.title),
        pull.number,
        escape(&pull.author),
        escape(&pull.head_ref),
        escape(&pull.base_ref),
    );
    let (ours, others): (Vec<_>, Vec<_>) =
        state.latest_runs(repo.id, &pull.head_sha).into_iter().partition(|r| r.app == state.app.id);
    for run in &ours {
        body.push_str(&check_run(state, run));
    }
    if ours.is_empty() {
        body.push_str("<p>No check run of ours on the head commit yet.</p>");
    }
    if !others.is_empty() {
        body.push_str("<h2>Other checks</h2><ul class=\"pulls\">");
        for run in others {
            let (kind, icon, word) = outcome(run);
            body.push_str(&format!(
                "<li><span class=\"icon {kind}\">{icon}</span> {} <small>{word}</small></li>",
                escape(&run.name)
            ));
        }
        body.push_str("</ul>");
    }
    body.push_str("</main>");
    document(&pull.title, &body)
}

fn check_run(state: &State, run: &Run) -> String {
    let (kind, icon, word) = outcome(run);
    let app = state.app_by_id(run.app).map(|a| a.name.as_str()).unwrap_or_default();
    let mut html = format!(
        "<article class=\"run\"><div class=\"head\"><span class=\"icon {kind}\" aria-hidden=\"true\">{icon}</span> \
         <b>{}</b> / {} <small>{word} on {}</small><span class=\"buttons\">",
        escape(app),
        escape(&run.name),
        &run.head_sha[..7],
    );
    for action in run.actions.iter().filter(|_| run.status == "completed") {
        let part = |field: &str| escape(action[field].as_str().unwrap_or_default());
        html.push_str(&format!("<button title=\"{}\" disabled>{}</button>", part("description"), part("label")));
    }
    html.push_str("</span></div>");
    html.push_str(&format!("<h2>{}</h2>", escape(run.title.as_deref().unwrap_or(&run.name))));
    html.push_str("<h3 class=\"part\">Details</h3>");
    for text in [&run.summary, &run.text].into_iter().flatten() {
        html.push_str(&format!("<div class=\"markdown\">{}</div>", markdown(text)));
    }
    if !run.annotations.is_empty() {
        html.push_str("<h3 class=\"part\">Annotations</h3>");
    }
    run.annotations.iter().for_each(|a| html.push_str(&annotation(a)));
    html.push_str("</article>");
    html
}

fn annotation(annotation: &Value) -> String {
    let part = |field: &str| escape(annotation[field].as_str().unwrap_or_default());
    format!(
        "<div class=\"note {}\"><small>{} line {}</small><br><b>{}</b><pre>{}</pre></div>",
        part("annotation_level"),
        part("path"),
        annotation["start_line"],
        part("title"),
        part("message"),
    )
}

fn state_of(pull: &Pull) -> (&'static str, &'static str) {
    match pull.state {
        PullState::Open if pull.draft => ("draft", "Draft"),
        PullState::Open => ("open", "Open"),
        PullState::Closed => ("closed", "Closed"),
        PullState::Merged => ("merged", "Merged"),
    }
}

/// Colour, sign and word of a run.
fn outcome(run: &Run) -> (&'static str, &'static str, String) {
    let word = run.conclusion.clone().unwrap_or_else(|| run.status.replace('_', " "));
    let (kind, icon) = match run.conclusion.as_deref() {
        Some("success") => ("good", "✓"),
        Some("failure" | "timed_out") => ("bad", "✕"),
        Some("action_required") => ("warn", "!"),
        Some(_) => ("quiet", "■"),
        None => ("warn", "●"),
    };
    (kind, icon, word.replace('_', " "))
}

/// GitHub-flavoured Markdown to HTML; raw HTML is left out.
fn markdown(text: &str) -> String {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    options.extension.tagfilter = true;
    options.render.r#unsafe = false;
    comrak::markdown_to_html(text, &options)
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

pub(super) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{}</title>\
         <style>{STYLE}</style></head><body>{body}<footer>A simulated GitHub, in memory</footer></body></html>",
        escape(title)
    )
}

const STYLE: &str = "\
:root{color-scheme:light dark;--fg:#1f2328;--dim:#59636e;--bg:#fff;--soft:#f6f8fa;--line:#d1d9e0;--link:#0969da;\
--good:#1a7f37;--bad:#d1242f;--warn:#9a6700;--done:#8250df}\
@media(prefers-color-scheme:dark){:root{--fg:#f0f6fc;--dim:#9198a1;--bg:#0d1117;--soft:#151b23;--line:#3d444d;\
--link:#4493f8;--good:#3fb950;--bad:#f85149;--warn:#d29922;--done:#ab7df8}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:1012px;padding:24px;background:var(--bg);color:var(--fg);\
font:14px/1.5 -apple-system,BlinkMacSystemFont,'Segoe UI','Noto Sans',Helvetica,Arial,sans-serif}\
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}small,footer{color:var(--dim)}\
h1{font-size:26px;font-weight:400;margin:8px 0}h1 small{font-weight:300;font-size:26px}h2{font-size:20px;margin:16px 0 8px}\
.pulls{list-style:none;padding:0;border:1px solid var(--line);border-radius:6px}\
.pulls li{padding:10px 16px;border-top:1px solid var(--line)}.pulls li:first-child{border-top:0}\
.state{color:#fff;border-radius:2em;padding:3px 10px;font-size:12px;font-weight:500;background:#59636e}\
.state.open{background:#1f883d}.state.closed{background:#cf222e}.state.merged{background:#8250df}\
.run{border:1px solid var(--line);border-radius:6px;padding:0 16px 16px;margin:16px 0}\
.head{background:var(--soft);margin:0 -16px;padding:12px 16px;border-bottom:1px solid var(--line);border-radius:6px 6px 0 0}\
.icon{font-weight:700}.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}.quiet{color:var(--dim)}\
.buttons{float:right}.buttons button{margin-left:6px;font:inherit;font-size:12px;font-weight:500;padding:3px 12px;\
border:1px solid var(--line);border-radius:6px;background:var(--soft);color:var(--fg)}\
.part{font-size:12px;letter-spacing:.04em;color:var(--dim);text-transform:uppercase;margin:16px 0 4px}\
.markdown{overflow-x:auto}.markdown h2,.markdown h1{border-bottom:1px solid var(--line);padding-bottom:.3em}\
table{border-collapse:collapse;margin:12px 0}th,td{border:1px solid var(--line);padding:6px 13px}\
tr:nth-child(2n){background:var(--soft)}blockquote{margin:0;padding:0 1em;color:var(--dim);border-left:.25em solid var(--line)}\
code,pre{font:12px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\
code{background:color-mix(in srgb,var(--dim) 18%,transparent);border-radius:6px;padding:.2em .4em}\
pre{background:var(--soft);border-radius:6px;padding:12px;overflow:auto;margin:8px 0;white-space:pre-wrap}pre code{background:none;padding:0}\
.note{border:1px solid var(--line);border-left:3px solid var(--dim);border-radius:6px;padding:8px 12px;margin:8px 0}\
.note.warning{border-left-color:var(--warn)}.note.failure{border-left-color:var(--bad)}\
details{margin:8px 0}footer{margin-top:32px;font-size:12px}";
