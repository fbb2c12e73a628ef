//! Another API server on the etcd of a control plane, from which it can be cut off.

use std::io;

use crate::{
    control_plane::ControlPlane,
    fleet::Api,
    process::{Process, eventually, free_port},
    proxy::Proxy,
};

/// A running second API server; dropping it ends it.
pub(crate) struct Second {
    process: Process,
    port: u16,
    etcd: Proxy,
}

impl Second {
    /// Waits until it serves.
    pub(crate) fn wait(&self, of: &ControlPlane) {
        let api = self.api(of);
        eventually("the second API server to be ready", || {
            let (status, answer) = api.call("GET", "/readyz", &serde_json::Value::Null);
            if status == 200 {
                Ok(())
            } else {
                Err(answer.to_string())
            }
        });
    }

    /// As the administrator uses it.
    pub(crate) fn api(&self, of: &ControlPlane) -> Api {
        Api::new(self.port, of.pki.ca(), of.pki.identity("admin"))
    }

    /// From now on it learns nothing, and stores nothing.
    pub(crate) fn freeze(&self) {
        self.etcd.freeze(true);
    }

    pub(crate) fn thaw(&self) {
        self.etcd.freeze(false);
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        self.process.kill();
    }
}

impl ControlPlane {
    /// Starts another API server.
    pub(crate) fn second(&self) -> io::Result<Second> {
        let etcd = Proxy::start(&self.etcd)?;
        let port = free_port();
        let mut args = self.api_server_args.clone();
        // The last one counts.
        args.push(format!("--secure-port={port}"));
        args.push(format!(
            "--etcd-servers={}",
            etcd.url().replace("https", "http")
        ));
        let log = self.logs().join("kube-apiserver-2.log");
        let process = Process::start(&self.program("kube-apiserver"), &args, &log)?;
        Ok(Second {
            process,
            port,
            etcd,
        })
    }
}
