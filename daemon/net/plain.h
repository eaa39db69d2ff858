/* The handlers that answer from what is at hand: health, metrics, models, tokenizer. Loop thread.
 */
#ifndef DAEMON_NET_PLAIN_H
#define DAEMON_NET_PLAIN_H

#include "base/thread_roles.h"
#include "net/exchange.h"
#include "net/service.h"

void plain_health(service *s, exchange *x) ON_LOOP;
void plain_ready(service *s, exchange *x) ON_LOOP;
void plain_metrics(service *s, exchange *x) ON_LOOP;
void plain_models(service *s, exchange *x) ON_LOOP;
void plain_model(service *s, exchange *x) ON_LOOP;
void plain_tokenize(service *s, exchange *x) ON_LOOP;
void plain_detokenize(service *s, exchange *x) ON_LOOP;
void plain_tokenizer_info(service *s, exchange *x) ON_LOOP;

#endif
