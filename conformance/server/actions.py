"""The actions of MongoDB's privileges, by its manual: the server takes no others."""

from __future__ import annotations

from typing import Final

_NAMES: Final = (
    "anyAction appendOplogNote authSchemaUpgrade bypassDocumentValidation changeCustomData changeOwnCustomData"
    " changeOwnPassword changePassword changeStream checkMetadataConsistency cleanupOrphaned collMod collStats"
    " compact connPoolStats convertToCapped cpuProfiler createCollection createIndex createRole"
    " createSearchIndexes createUser dbHash dbStats dropCollection dropDatabase dropIndex dropRole"
    " dropSearchIndex dropUser enableProfiler find forceUUID fsync getCmdLineOpts getLog getParameter grantRole"
    " hostInfo indexStats inprog insert internal invalidateUserCache killAnyCursor killCursors killop"
    " listCollections listDatabases listIndexes listSearchIndexes listSessions logRotate planCacheIndexFilter"
    " planCacheRead planCacheWrite queryStatsRead querySettings reIndex remove renameCollectionSameDB"
    " replSetConfigure replSetGetConfig replSetGetStatus resync revokeRole serverStatus"
    " setAuthenticationRestriction setParameter shutdown storageDetails top unlock update updateSearchIndex"
    " useUUID validate viewRole viewUser"
)
#: Actions of roles in a database; those of sharding, replication and encryption are for administrators.
ACTIONS: Final = frozenset(_NAMES.split())
