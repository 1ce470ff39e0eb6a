#include "auth/service/login_source.h"

#include "auth/schemes/prepared_text.h"
#include "auth/users/address.h"

namespace poplar::auth {

LoginSource SourceOf(LoginHasher& hasher, std::string_view login, const std::string& address) {
  // Names without a domain count together. So do those of a domain that nobody has: it looks like
  // others. And each domain of a tenant by itself, or waits would show who has it.
  return {.place = PlaceOf(address),
          .user = hasher.OfName(FoldName(login)).low,
          .tenant = hasher.OfName(DomainOf(login)).low};
}

}  // namespace poplar::auth
