//! Looks at the servers whose answers are remembered for what has changed since. Does I/O: a search of the root entry each time, and
//! where anything was committed since the last look one for groups and one for each hundred accounts remembered.
//!
//! A number of changes is compared with numbers of the same database alone, which `invocationId` names: a name may lead to several
//! domain controllers, and one that was restored counts from before. A member's own object does not change when a group does, so
//! that any changed group speaks against all that its server said. A deleted group is not seen, nor an account that got a name
//! which is remembered of another one: these wait for the age.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::remembered::{Memory, Polled};
use super::{Directory, Failure, search_refused};
use crate::cache::{Look, Polling};
use crate::entry::{AttributeError, AttributeProblem};
use crate::filter::Filter;
use crate::groups::CHUNK;
use crate::guid::Guid;
use crate::message::request::Scope;
use crate::message::response::ResultCode;
use crate::net::error::DirectoryError;
use crate::net::ldap::{Connection, Replica};
use crate::net::server::LdapServer;
use crate::schema::Attribute;

impl Directory {
    /// Looks again and again. Ends at once where nothing is remembered or changes are not looked for, and else by being dropped.
    pub(super) async fn follow_changes(&self) {
        let Some(memory) = &self.memory else { return };
        let interval = memory.polling().map_or(SWEEP, |polling| polling.interval);
        loop {
            memory.cache().sweep(memory.now());
            if let Some(polling) = memory.polling() {
                self.look_at_all(memory, polling).await;
            }
            sleep(interval).await;
        }
    }

    /// Looks at once, and waits for what comes of it.
    #[cfg(test)]
    pub(in crate::net) async fn look_for_changes(&self) {
        if let Some((memory, polling)) =
            self.memory.as_ref().and_then(|memory| Some((memory, memory.polling()?)))
        {
            self.look_at_all(memory, polling).await;
        }
    }

    /// Closes what rests, so that the next question goes where the server's name leads to then.
    #[cfg(test)]
    pub(in crate::net) fn forget_connections(&self) {
        let (_, first) = self.pool.failing_and_first();
        first.iter().for_each(|server| self.pool.give_up_rested(server));
    }

    /// Looks once at every server that answered lately, and at the one that would be asked first.
    async fn look_at_all(&self, memory: &Memory, polling: Polling) {
        let (failing, first) = self.pool.failing_and_first();
        first.iter().for_each(|server| memory.used(server));
        let (now, longest) = (memory.now(), FORGOTTEN.max(polling.maximum_age));
        let polled: Vec<Polled> = {
            let mut polls = memory.polls();
            polls.retain(|_, polled| now.saturating_sub(polled.used) <= longest);
            polls.values().cloned().collect()
        };
        for Polled { server, is_failing, .. } in polled {
            // One that is passed over is found out about elsewhere.
            if failing.iter().any(|failing| failing.is_same(&server)) {
                continue;
            }
            let began = memory.now();
            let outcome = self.look_at(memory, &server, began).await;
            if let Err(error) = &outcome
                && !is_failing
            {
                tracing::warn!(
                    event = "directory_changes_unknown",
                    server = server.name(),
                    %error,
                    "it cannot be seen what has changed in the directory, whose accounts are asked for anew then"
                );
            }
            if let Some(polled) = memory.polls().get_mut(&server.name().to_ascii_lowercase()) {
                polled.is_failing = outcome.is_err();
                polled.looked_at = if outcome.is_ok() { Some(began) } else { polled.looked_at };
            }
        }
    }

    async fn look_at(
        &self,
        memory: &Memory,
        server: &LdapServer,
        began: Duration,
    ) -> Result<(), DirectoryError> {
        let mut connection = self.pool.visit(server).await?;
        match self.changes(memory, &mut connection).await {
            Ok(look) => {
                self.pool.rest(connection);
                tracing::trace!(%server, highest = look.highest, groups_changed = look.groups_changed, "looked for changes");
                memory.cache().settle(&look, began);
                Ok(())
            }
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Fault(fault)) => Err(self.pool.visit_failed(server, fault)),
        }
    }

    /// What has changed at the domain controller that the connection leads to.
    async fn changes(&self, memory: &Memory, connection: &mut Connection) -> Result<Look, Failure> {
        let (_, highest) = self.read_root(connection).await?;
        let Some(replica) = self.replica(connection).await? else {
            return Err(hidden(Attribute::INVOCATION_ID).into());
        };
        let mut look = Look { replica, highest, groups_changed: false, objects: BTreeMap::new() };
        let (baseline, objects) = {
            let cache = memory.cache();
            (cache.baseline(&replica), cache.objects_of(&replica))
        };
        let Some(baseline) = baseline.filter(|baseline| *baseline < highest) else { return Ok(look) };
        if objects.is_empty() {
            // Answers that are on their way must not be kept if a group changes meanwhile.
            look.groups_changed = true;
            return Ok(look);
        }
        look.groups_changed = self.a_group_changed(connection, baseline).await?;
        if !look.groups_changed {
            for chunk in objects.chunks(CHUNK) {
                self.read_numbers(connection, chunk, &mut look.objects).await?;
            }
        }
        Ok(look)
    }

    /// Whether any group has a higher number than that.
    async fn a_group_changed(&self, connection: &mut Connection, baseline: i64) -> Result<bool, Failure> {
        let filter = Filter::all_of([
            Filter::equals(Attribute::OBJECT_CLASS, b"group"),
            Filter::at_least(Attribute::USN_CHANGED, baseline.saturating_add(1)),
        ]);
        let domain = self.domain.as_str();
        let attributes = [Attribute::OBJECT_GUID];
        let found = self.search(connection, domain, Scope::Subtree, &filter, &attributes, 1).await?;
        match found.code {
            ResultCode::SUCCESS => Ok(!found.entries.is_empty()),
            ResultCode::SIZE_LIMIT_EXCEEDED => Ok(true),
            code => Err(search_refused(connection, code)),
        }
    }

    /// The present numbers of these objects; those that are not found have none.
    async fn read_numbers(
        &self,
        connection: &mut Connection,
        objects: &[Guid],
        numbers: &mut BTreeMap<Guid, Option<i64>>,
    ) -> Result<(), Failure> {
        numbers.extend(objects.iter().map(|object| (*object, None)));
        let by_guid = |object: &Guid| Filter::equals(Attribute::OBJECT_GUID, object.as_bytes());
        let filter = Filter::any_of(objects.iter().map(by_guid));
        let domain = self.domain.as_str();
        let attributes = [Attribute::OBJECT_GUID, Attribute::USN_CHANGED];
        let limit = u32::try_from(objects.len()).unwrap_or(u32::MAX);
        let found = self.search(connection, domain, Scope::Subtree, &filter, &attributes, limit).await?;
        if found.code != ResultCode::SUCCESS {
            return Err(search_refused(connection, found.code));
        }
        for entry in &found.entries {
            let object = entry.guid().map_err(DirectoryError::from)?;
            let usn = entry.optional_number(Attribute::USN_CHANGED).map_err(DirectoryError::from)?;
            numbers.insert(object, usn);
        }
        Ok(())
    }

    /// Which domain controller the connection leads to; asked once. Nothing where it does not let us read that.
    pub(super) async fn replica(&self, connection: &mut Connection) -> Result<Option<Guid>, Failure> {
        match connection.replica() {
            Some(Replica::Known(replica)) => return Ok(Some(replica)),
            Some(Replica::Hidden) => return Ok(None),
            None => {}
        }
        let settings_object = match self.read_root(connection).await {
            Ok((settings_object, _)) => settings_object,
            Err(Failure::Refused(_)) => {
                connection.leads_to(Replica::Hidden);
                return Ok(None);
            }
            Err(fault) => return Err(fault),
        };
        let everything = Filter::present(Attribute::OBJECT_CLASS);
        let attributes = [Attribute::INVOCATION_ID];
        let found =
            self.search(connection, &settings_object, Scope::Base, &everything, &attributes, 1).await?;
        let octets = found.entries.first().and_then(|entry| entry.optional(Attribute::INVOCATION_ID).ok()?);
        let replica = octets.and_then(|octets| Guid::from_bytes(octets).ok());
        connection.leads_to(replica.map_or(Replica::Hidden, Replica::Known));
        Ok(replica)
    }

    /// The name of the server's settings object, and the highest number that it has given out.
    async fn read_root(&self, connection: &mut Connection) -> Result<(String, i64), Failure> {
        let everything = Filter::present(Attribute::OBJECT_CLASS);
        let attributes = [Attribute::DS_SERVICE_NAME, Attribute::HIGHEST_COMMITTED_USN];
        let found = self.search(connection, "", Scope::Base, &everything, &attributes, 1).await?;
        let root = match (found.code, found.entries.as_slice()) {
            (ResultCode::SUCCESS, [root]) => root,
            (code, _) => return Err(search_refused(connection, code)),
        };
        let name = root.text(Attribute::DS_SERVICE_NAME).map_err(DirectoryError::ChangesHidden)?;
        let highest = root.optional_number(Attribute::HIGHEST_COMMITTED_USN);
        let highest = highest.map_err(DirectoryError::ChangesHidden)?;
        let highest = highest.ok_or_else(|| hidden(Attribute::HIGHEST_COMMITTED_USN))?;
        Ok((name.to_owned(), highest))
    }
}

const fn hidden(attribute: Attribute) -> DirectoryError {
    DirectoryError::ChangesHidden(AttributeError { attribute, problem: AttributeProblem::Missing })
}

/// How often what is too old is dropped where changes are not looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// A server that gave no answer for so long is not looked at any more.
const FORGOTTEN: Duration = Duration::from_secs(600);
