"""The MariaDB engine: the same verbs, decisions and result shapes as recovery.database, carried out with MariaDB's own tools."""
