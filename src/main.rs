//! temp
fn main() {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let rt = tokio::runtime::Runtime::new().unwrap();
    rt.block_on(mergecast::cli::demo::run(true, mergecast::cli::output::Terminal::stdout())).unwrap();
}
