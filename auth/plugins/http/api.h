// One back end of the configuration: questions about users, answered by a provider's API. Any
// thread.

#pragma once

#include <memory>
#include <string>

#include "auth/plugin.h"
#include "auth/plugins/common/http_client.h"
#include "auth/plugins/common/pool.h"
#include "auth/plugins/common/question.h"
#include "auth/plugins/common/servers.h"
#include "auth/plugins/http/messages.h"
#include "auth/plugins/http/settings.h"

namespace poplar::http {

class Api {
 public:
  // `host` outlives this.
  Api(Settings settings, const poplar_host& host);
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  poplar_outcome Ask(const poplar_question& question, poplar_answer* answer);

 private:
  using Question = plugins::Question;

  // Tells Poplar what the API said.
  poplar_outcome Tell(const Question& asked, const Answer& answer) const;

  const Settings settings_;
  const poplar_host& host_;
  plugins::Servers servers_;
  plugins::Pool<plugins::HttpClient> pool_;
};

}  // namespace poplar::http
