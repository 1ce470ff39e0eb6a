// The part of UserDatabase that keeps app passwords.

#include <algorithm>
#include <string>
#include <utility>

#include "auth/users/address.h"
#include "auth/users/networks.h"
#include "auth/users/sqlite.h"
#include "auth/users/user_database.h"

namespace poplar::auth {
namespace {

Status CheckLabel(std::string_view label) {
  const bool printable = std::ranges::none_of(
      label, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!label.empty() && label.size() <= kAppPasswordLabelBytesMax && printable) return OkStatus();
  return MakeStatus(StatusCode::kInvalidArgument, "a label has 1 to " +
                                                      std::to_string(kAppPasswordLabelBytesMax) +
                                                      " octets and no control characters");
}

AppPasswordRecord ReadAppPassword(const SqliteQuery& row) {
  AppPasswordRecord record;
  record.id = row.Text(0);
  record.label = row.Text(1);
  record.hash = row.Text(2);
  record.scope = row.Text(3);
  record.networks = row.Text(4);
  record.expires_s = row.NumberOrNull(5);
  record.created_s = row.Number(6);
  record.last_used_s = row.NumberOrNull(7);
  return record;
}

}  // namespace

Status UserDatabase::SetRequireAppPassword(std::string_view address, std::optional<bool> require) {
  SqliteQuery update(*connection_,
                     "UPDATE users SET require_app_password = ?1 WHERE address_key = ?2");
  update.Bind(require ? std::optional<int64_t>(*require ? 1 : 0) : std::nullopt);
  POP_RETURN_IF_ERROR(update.Bind(LookupKey(address)).Run());
  if (connection_->changes() > 0) return OkStatus();
  return MakeStatus(StatusCode::kNotFound, "there is no user " + std::string(address));
}

Status UserDatabase::AddAppPassword(std::string_view address, const AppPasswordRecord& record) {
  POP_RETURN_IF_ERROR(CheckLabel(record.label));
  POP_RETURN_IF_ERROR(CheckNetworks(record.networks));
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(const UserRecord user, FindUser(address));
  POP_ASSIGN_OR_RETURN(const std::vector<AppPasswordRecord> others, ListAppPasswords(address));
  if (std::ranges::find(others, record.label, &AppPasswordRecord::label) != others.end()) {
    return MakeStatus(StatusCode::kAlreadyExists,
                      user.address + " has an app password \"" + record.label + "\" already");
  }
  if (others.size() >= kAppPasswordsMax) {
    return MakeStatus(StatusCode::kResourceExhausted,
                      user.address + " has " + std::to_string(kAppPasswordsMax) +
                          " app passwords, the most there can be: remove one first");
  }
  SqliteQuery insert(*connection_,
                     "INSERT INTO app_passwords (account, id, label, hash, scope, networks,"
                     " expires_s, created_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
  insert.Bind(user.account).Bind(record.id).Bind(record.label).Bind(record.hash);
  insert.Bind(record.scope).Bind(record.networks).Bind(record.expires_s).Bind(NowSeconds());
  POP_RETURN_IF_ERROR(insert.Run());
  return transaction.Commit();
}

StatusOr<std::vector<AppPasswordRecord>> UserDatabase::ListAppPasswords(std::string_view address) {
  POP_ASSIGN_OR_RETURN(const UserRecord user, FindUser(address));
  SqliteQuery query(*connection_,
                    "SELECT id, label, hash, scope, networks, expires_s, created_s, last_used_s"
                    " FROM app_passwords WHERE account = ?1 ORDER BY label");
  query.Bind(user.account);
  std::vector<AppPasswordRecord> records;
  for (;;) {
    POP_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return records;
    records.push_back(ReadAppPassword(query));
  }
}

Status UserDatabase::RemoveAppPassword(std::string_view address, std::string_view label) {
  POP_ASSIGN_OR_RETURN(const UserRecord user, FindUser(address));
  SqliteQuery erase(*connection_, "DELETE FROM app_passwords WHERE account = ?1 AND label = ?2");
  POP_RETURN_IF_ERROR(erase.Bind(user.account).Bind(label).Run());
  if (connection_->changes() > 0) return OkStatus();
  return MakeStatus(StatusCode::kNotFound,
                    user.address + " has no app password \"" + std::string(label) + "\"");
}

StatusOr<std::optional<AppPasswordRecord>> UserDatabase::FindAppPassword(std::string_view account,
                                                                         std::string_view id) {
  SqliteQuery query(*connection_,
                    "SELECT id, label, hash, scope, networks, expires_s, created_s, last_used_s"
                    " FROM app_passwords WHERE account = ?1 AND id = ?2 AND scope = ?3");
  POP_ASSIGN_OR_RETURN(const bool row, query.Bind(account).Bind(id).Bind(kPop3Scope).Step());
  if (!row) return std::optional<AppPasswordRecord>();
  return std::optional<AppPasswordRecord>(ReadAppPassword(query));
}

Status UserDatabase::NoteAppPasswordUses(std::span<const AppPasswordUse> uses) {
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  for (const AppPasswordUse& use : uses) {
    SqliteQuery update(*connection_,
                       "UPDATE app_passwords SET last_used_s = ?1 WHERE account = ?2 AND id = ?3"
                       " AND coalesce(last_used_s, 0) < ?1");
    POP_RETURN_IF_ERROR(update.Bind(use.used_s).Bind(use.account).Bind(use.id).Run());
  }
  return transaction.Commit();
}

}  // namespace poplar::auth
