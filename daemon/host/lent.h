/* The functions of instructd_host that are about a job, in four rooms: each fills its part of the
 * table. All of them run on the plugin's thread and have the watcher do the work (train_job_call),
 * but for the polls. */
#ifndef DAEMON_HOST_LENT_H
#define DAEMON_HOST_LENT_H

#include "instructd_plugin.h"

void lent_tell(instructd_host *abi);    /* stop_requested .. progress */
void lent_data(instructd_host *abi);    /* file_open .. checkpoint_dir */
void lent_sample(instructd_host *abi);  /* sampler_load .. reward_http */
void lent_publish(instructd_host *abi); /* publish */

#endif
