//! multinic itself, outside the cluster.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

use crate::{
    kubectl::Calls,
    process::{Process, eventually},
    programs,
};

/// What every run of multinic in one test run has in common.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: PathBuf,
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
    pub(crate) folder: PathBuf,
}

/// A running multinic; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    admin_port: u16,
}

impl Server {
    /// Starts multinic with this configuration (YAML).
    pub(crate) fn start(settings: &Settings, config: &str) -> Self {
        let file = settings.folder.join("multinic.yaml");
        fs::write(&file, config).expect("write the configuration");
        let args = [
            "serve".to_owned(),
            format!("--kubeconfig={}", settings.kubeconfig.display()),
            format!("--config={}", file.display()),
            format!("--listen=127.0.0.1:{}", settings.port),
            format!("--admin-listen=127.0.0.1:{}", settings.admin_port),
            format!("--cert={}", settings.cert.display()),
            format!("--key={}", settings.key.display()),
            format!("--client-ca={}", settings.client_ca.display()),
            "--log-format=json".to_owned(),
        ];
        let log = settings.folder.join("logs/multinic.log");
        let process = Process::start(programs::multinic(), &args, &log).expect("start multinic");
        Self {
            process,
            admin_port: settings.admin_port,
        }
    }

    pub(crate) fn wait_until_ready(&mut self) {
        let log = self.process.log().to_owned();
        eventually("multinic to be ready", || {
            if !self.process.running() {
                return Err(format!("it ended: {}", crate::process::tail(&log, 0)));
            }
            self.ready()
        });
    }

    /// What `/readyz` answers.
    pub(crate) fn ready(&self) -> Result<(), String> {
        match self.get("/readyz") {
            Ok((200, _)) => Ok(()),
            Ok((status, body)) => Err(format!("{status} {body}")),
            Err(e) => Err(e),
        }
    }

    /// As a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn calls(&self) -> Calls {
        let metrics = self.metrics();
        let of = |webhook: &str| metrics.sum("multinic_reviews_total", &[("webhook", webhook)]);
        Calls {
            mutate: of("mutate"),
            validate: of("validate"),
        }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let (status, body) = self.get("/metrics").expect("multinic's metrics");
        assert_eq!(status, 200, "/metrics: {body}");
        Metrics::parse(&body)
    }

    fn get(&self, path: &str) -> Result<(u16, String), String> {
        get(self.admin_port, path)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

/// What an admin port answers: status and body.
pub(crate) fn get(port: u16, path: &str) -> Result<(u16, String), String> {
    let exchange = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = exchange().map_err(|e| format!("{path}: {e}"))?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("{path}: {answer:?}"))?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
    Ok((
        status.ok_or_else(|| format!("{path}: {head:?}"))?,
        body.to_owned(),
    ))
}

/// Prometheus' text, as far as these tests read it.
#[derive(Debug)]
pub(crate) struct Metrics(Vec<(String, BTreeMap<String, String>, f64)>);

impl Metrics {
    pub(crate) fn parse(text: &str) -> Self {
        Self(
            text.lines()
                .filter(|l| !l.starts_with('#'))
                .filter_map(Self::sample)
                .collect(),
        )
    }

    fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels
            .trim_end_matches('}')
            .split("\",")
            .filter_map(|pair| pair.split_once("=\""))
            .map(|(k, v)| (k.to_owned(), v.trim_end_matches('"').to_owned()))
            .collect();
        Some((name.to_owned(), labels, value.parse().ok()?))
    }

    /// The sum of all series of this name that carry these labels.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters are small integers"
    )]
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let carries = |of: &BTreeMap<String, String>| {
            labels
                .iter()
                .all(|(k, v)| of.get(*k).is_some_and(|value| value == v))
        };
        self.0
            .iter()
            .filter(|(n, of, _)| n == name && carries(of))
            .map(|(_, _, value)| *value as u64)
            .sum()
    }
}
