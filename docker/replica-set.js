// The health check of a mongod, run by mongosh: fails until the member is a primary or a secondary.
// The member that has REPLICA_SET_MEMBERS in its environment makes the set, if there is none yet.
const NOT_YET_INITIALIZED = 94;

function members() {
  const hosts = (process.env.REPLICA_SET_MEMBERS ?? "").split(",").filter(Boolean);
  return hosts.map((host, number) => ({ _id: number, host }));
}

try {
  db.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.code !== NOT_YET_INITIALIZED || members().length === 0) throw error;
  // MongoDB refuses this where a member is away or has data of another set.
  // docs/operations.md says why these.
  const settings = { electionTimeoutMillis: 2000, heartbeatIntervalMillis: 500, chainingAllowed: false };
  db.adminCommand({ replSetInitiate: { _id: "imagestore", members: members(), settings } });
}
const state = db.adminCommand({ hello: 1 });
quit(state.isWritablePrimary || state.secondary ? 0 : 1);
