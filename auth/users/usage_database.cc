#include "auth/users/usage_database.h"

#include <utility>

#include "auth/users/sqlite.h"

namespace poplar::auth {
namespace {

// "PopG"
constexpr int64_t kUsageApplicationId = 0x506f7047;

constexpr char kSchema[] = R"sql(
PRAGMA application_id = 1349480519;
PRAGMA user_version = 1;
CREATE TABLE usage (
  tenant INTEGER NOT NULL,
  day INTEGER NOT NULL,
  name TEXT NOT NULL,
  sessions INTEGER NOT NULL,
  messages_in INTEGER NOT NULL,
  octets_in INTEGER NOT NULL,
  messages_out INTEGER NOT NULL,
  octets_out INTEGER NOT NULL,
  PRIMARY KEY (tenant, day)
) STRICT, WITHOUT ROWID;
)sql";
static_assert(kUsageApplicationId == 1349480519);

constexpr char kAdd[] =
    "INSERT INTO usage (tenant, day, name, sessions, messages_in, octets_in, messages_out,"
    " octets_out) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET name = ?3,"
    " sessions = sessions + ?4, messages_in = messages_in + ?5, octets_in = octets_in + ?6,"
    " messages_out = messages_out + ?7, octets_out = octets_out + ?8";

constexpr char kReadDays[] =
    "SELECT tenant, name, day, sessions, messages_in, octets_in, messages_out, octets_out"
    " FROM usage WHERE day BETWEEN ?1 AND ?2 AND (?3 = '' OR name = ?3) ORDER BY name, tenant, day";

constexpr char kReadTenants[] =
    "SELECT tenant, name, min(day), sum(sessions), sum(messages_in), sum(octets_in),"
    " sum(messages_out), sum(octets_out) FROM usage"
    " WHERE day BETWEEN ?1 AND ?2 AND (?3 = '' OR name = ?3) GROUP BY tenant ORDER BY name, tenant";

Status CheckWhose(SqliteConnection& connection, const std::string& path) {
  POP_ASSIGN_OR_RETURN(const int64_t application, connection.Number("PRAGMA application_id"));
  POP_ASSIGN_OR_RETURN(const int64_t version, connection.Number("PRAGMA user_version"));
  if (application == kUsageApplicationId && version == 1) return OkStatus();
  return MakeStatus(StatusCode::kFailedPrecondition,
                    path + " is no usage database of this program's version");
}

}  // namespace

UsageDatabase::UsageDatabase(std::unique_ptr<SqliteConnection> connection)
    : connection_(std::move(connection)) {}
UsageDatabase::~UsageDatabase() = default;

StatusOr<std::unique_ptr<UsageDatabase>> UsageDatabase::Open(const std::string& path) {
  POP_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                       SqliteConnection::Open(path, {}));
  POP_RETURN_IF_ERROR(CheckWhose(*connection, path));
  return std::unique_ptr<UsageDatabase>(new UsageDatabase(std::move(connection)));
}

StatusOr<std::unique_ptr<UsageDatabase>> UsageDatabase::OpenOrCreate(const std::string& path) {
  POP_RETURN_IF_ERROR(MakePrivateFile(path));
  POP_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                       SqliteConnection::Open(path, {}));
  SqliteTransaction transaction(*connection);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(const int64_t tables,
                       connection->Number("SELECT count(*) FROM sqlite_schema"));
  if (tables == 0) POP_RETURN_IF_ERROR(connection->Execute(kSchema));
  POP_RETURN_IF_ERROR(transaction.Commit());
  POP_RETURN_IF_ERROR(CheckWhose(*connection, path));
  return std::unique_ptr<UsageDatabase>(new UsageDatabase(std::move(connection)));
}

Status UsageDatabase::Add(std::span<const UsageRecord> more) {
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  for (const UsageRecord& record : more) {
    SqliteQuery add(*connection_, kAdd);
    add.Bind(ToSql(record.tenant.value())).Bind(int64_t{record.day}).Bind(record.tenant_name);
    const UsageFigures& figures = record.figures;
    add.Bind(ToSql(figures.sessions)).Bind(ToSql(figures.messages_in));
    add.Bind(ToSql(figures.octets_in)).Bind(ToSql(figures.messages_out));
    POP_RETURN_IF_ERROR(add.Bind(ToSql(figures.octets_out)).Run());
  }
  return transaction.Commit();
}

StatusOr<std::vector<UsageRecord>> UsageDatabase::Read(const UsageRange& range) {
  SqliteQuery query(*connection_, range.by_day ? kReadDays : kReadTenants);
  query.Bind(int64_t{range.first_day}).Bind(int64_t{range.last_day}).Bind(range.tenant_name);
  std::vector<UsageRecord> records;
  for (;;) {
    POP_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return records;
    const auto number = [&](int column) { return static_cast<uint64_t>(query.Number(column)); };
    records.push_back({.tenant = TenantId(number(0)),
                       .tenant_name = query.Text(1),
                       .day = static_cast<uint32_t>(number(2)),
                       .figures = {.sessions = number(3),
                                   .messages_in = number(4),
                                   .octets_in = number(5),
                                   .messages_out = number(6),
                                   .octets_out = number(7)}});
  }
}

}  // namespace poplar::auth
