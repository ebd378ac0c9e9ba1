# expect: too-nested 49:1
"""A policy gradient with a baseline."""

HEADS = {"logits": "A", "value": 1}
CONSTANTS = {"discount": 0.97, "value_cost": 0.5, "steps": 5}


def loss(traj, c):
 if True:
  if True:
   if True:
    if True:
     if True:
      if True:
       if True:
        if True:
         if True:
          if True:
           if True:
            if True:
             if True:
              if True:
               if True:
                if True:
                 if True:
                  if True:
                   if True:
                    if True:
                     if True:
                      if True:
                       if True:
                        if True:
                         if True:
                          if True:
                           if True:
                            if True:
                             if True:
                              if True:
                               if True:
                                if True:
                                 if True:
                                  if True:
                                   if True:
                                    if True:
                                     if True:
                                      if True:
                                       if True:
                                        if True:
                                         pass
    return traj.rewards
